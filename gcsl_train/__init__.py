"""gcsl_train: the shards of gcsl_data in, a LoRA adapter out."""

__version__ = "0.1.0"
