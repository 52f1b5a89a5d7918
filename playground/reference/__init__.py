"""The documentation beside the form, made from the code's own tables: what can be sent, what comes back, and what refuses it."""

from playground.reference.curls import answer_text, openai_curl, qianfan_curl, token_curl
from playground.reference.entry import Entry, Section, Table, found
from playground.reference.openai import openai_reference
from playground.reference.qianfan import qianfan_reference

__all__ = [
    "Entry", "Section", "Table", "answer_text", "found", "openai_curl", "openai_reference", "qianfan_curl", "qianfan_reference", "token_curl",
]
