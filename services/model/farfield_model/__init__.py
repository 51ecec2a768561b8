"""A Hugging Face model as the policy that samples and the trainer that learns both see it."""
