"""Control tokens of chat templates as they look in text: one list for goal templates and for logs.

A pattern that Python and Polars read alike: `<|...|>`, DeepSeek's full-width bars, Llama's and Mistral's brackets, and the
names that tokenizers give to the ends of texts and turns, to padding, and to T5's blanks.
"""

CONTROL_TOKEN = (
    r"<\|[^|\s]+\|>|<｜[^｜\s]+｜>|</?s>|\[/?INST\]|<</?SYS>>"
    r"|<(?:bos|eos|pad|unk|start_of_turn|end_of_turn|extra_id_[0-9]+)>"
)
