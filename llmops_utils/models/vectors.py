"""Embeddings inside recordings: one entry for each text, packed.

A request for embeddings holds many texts, and which ones travel together changes: an index of which one page changed
asks for that page alone. So each text is recorded by itself. A vector is kept as 16-bit floats in base64, a tenth of
its size as decimal numbers; between -1 and 1 that moves a number by at most 0.00025, and a cosine by less than 0.001.
"""

from __future__ import annotations

import base64
import hashlib
import struct


def list_texts(path: str, body: object) -> list[str] | None:
    """Return the texts that a request wants embedded, or None where it is no such request."""
    if not path.endswith("/embeddings") or not isinstance(body, dict):
        return None
    wanted = body.get("input")
    texts = [wanted] if isinstance(wanted, str) else wanted
    is_texts = isinstance(texts, list) and texts and all(isinstance(text, str) for text in texts)
    return texts if is_texts else None


def make_text_body(body: dict, text: str) -> dict:
    """Return the body under which one text of a request is recorded: its checksum stands for the text."""
    rest = {name: value for name, value in body.items() if name not in ("input", "encoding_format")}
    return rest | {"sha256": hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]}


def split_answer(answer: dict, texts: list[str]) -> list[dict]:
    """Return what is recorded for each text of an answer: its packed vector, and its share of the tokens by length.

    Raises:
        ValueError, KeyError, TypeError: the answer does not hold one vector of finite numbers for each text.
    """
    rows = sorted(answer["data"], key=lambda row: row["index"])
    if [row["index"] for row in rows] != list(range(len(texts))):
        raise ValueError("not one vector for each text")
    num_tokens = (answer.get("usage") or {}).get("prompt_tokens", 0)
    num_characters, num_before, taken, parts = sum(map(len, texts)), 0, 0, []
    for row, text in zip(rows, texts, strict=True):
        num_before += len(text)
        share = num_tokens * num_before // max(num_characters, 1) - taken  # the shares add up to the whole
        taken += share
        parts.append({"vector": pack_vector(_read_vector(row["embedding"])), "num_tokens": share})
    return parts


def join_answers(body: dict, parts: list[dict]) -> dict:
    """Return the answer to a request from what is recorded for each of its texts, in the encoding that it asks for."""
    num_tokens = sum(part["num_tokens"] for part in parts)
    data = []
    for index, part in enumerate(parts):
        vector = unpack_vector(part["vector"])
        if body.get("encoding_format") == "base64":
            vector = base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
        data.append({"object": "embedding", "index": index, "embedding": vector})
    usage = {"prompt_tokens": num_tokens, "total_tokens": num_tokens}
    return {"object": "list", "model": body.get("model"), "data": data, "usage": usage}


def pack_vector(vector: list[float]) -> str:
    """Return the numbers as 16-bit floats in base64. Raises OverflowError above 65,504."""
    return base64.b64encode(struct.pack(f"<{len(vector)}e", *vector)).decode()


def unpack_vector(packed: str) -> list[float]:
    """Return the numbers of a packed vector. Raises ValueError or `struct.error` where it is none."""
    content = base64.b64decode(packed, validate=True)
    return list(struct.unpack(f"<{len(content) // 2}e", content))


def _read_vector(embedding: list[float] | str) -> list[float]:
    if isinstance(embedding, str):
        content = base64.b64decode(embedding)
        return list(struct.unpack(f"<{len(content) // 4}f", content))
    return [float(number) for number in embedding]
