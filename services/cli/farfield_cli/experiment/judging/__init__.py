"""What the runs came to, and what that says of the claims."""
