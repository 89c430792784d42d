"""Messages to tokens through any chat template."""
