"""Tests of what an operator does to data: backup, restore, held sends, export and deletion of a tenant."""
