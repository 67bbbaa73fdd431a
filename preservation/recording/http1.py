"""HTTP/1 (RFC 9112) out of a recorded connection: exact heads, bodies in files as they were sent.

Requests and answers are paired in the order of sending. An answer goes with the oldest request
that has begun and has none yet, for a server may answer before it has the whole request.
"""

from __future__ import annotations

from preservation.recording.drafts import Conversation, Ending, NewBody, Origin
from preservation.recording.http1_answers import AnswerReader
from preservation.recording.http1_requests import Dialogue, RequestReader
from preservation.recording.model import Chunk, Side


class Http1Decoder:
    """Decodes one connection, chunk by chunk, in the order of arrival."""

    def __init__(self, origin: Origin, new_body: NewBody) -> None:
        self._dialogue = Dialogue(origin, new_body)
        self._requests = RequestReader(self._dialogue)
        self._answers = AnswerReader(self._dialogue, self._requests)

    def feed(self, chunk: Chunk) -> None:
        """Take *chunk*."""
        reader = self._requests if chunk.side is Side.CLIENT else self._answers
        reader.feed(chunk.at, memoryview(chunk.data))

    def finish(self, ending: Ending) -> Conversation:
        """Everything that was said; *ending* explains what is unfinished."""
        self._requests.finish()
        self._answers.finish(ending)
        dialogue = self._dialogue
        for draft in dialogue.waiting:
            draft.fall_short(ending.truncated, f"no answer: {ending.detail}")
        return Conversation(
            exchanges=tuple(draft.exchange() for draft in dialogue.drafts),
            fault=dialogue.losses.fault,
            undecoded=dialogue.losses.undecoded,
        )
