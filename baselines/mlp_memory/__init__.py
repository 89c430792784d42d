"""MLP Memory: a student of a retriever, trained before it sees a history."""
