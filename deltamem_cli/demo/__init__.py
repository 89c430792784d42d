"""What ``deltamem demo`` runs on the embedded backbone."""
