"""What lies on disk. `manifest`, `goal` and `decode` are the contract with trainers and need the standard library only."""
