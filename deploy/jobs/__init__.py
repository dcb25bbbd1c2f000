"""What is run once before the processes, by compose, by the chart's hooks and by the local stack."""
