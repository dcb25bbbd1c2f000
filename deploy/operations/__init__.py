"""What whoever runs an installation does to its data: backup, restore, held sends, export and deletion of a tenant."""
