"""What workflows have done: one class a service, each method one idempotent step."""
