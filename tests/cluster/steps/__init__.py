"""What has to be seen on three nodes a, b, c when nothing goes wrong but what a step does: one function for each step."""
