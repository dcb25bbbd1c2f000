"""What every service process needs and nothing else: ten modules, without a business noun."""
