"""What the tiny models of these examples are built and pre-trained with."""
