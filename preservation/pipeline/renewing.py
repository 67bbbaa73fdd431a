"""Have time stamps covered by newer ones before they expire.

A token stays good after its signer's certificate has expired if a later token, made before that,
covers it (RFC 4998 5.2). Tokens are logged, and every seal stamps the whole log: so a token is renewed
by the first later seal whose tokens last longer. All that may be needed is a seal that nothing else
asks for.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import update

from preservation import clock
from preservation.custody import CustodyLog
from preservation.errors import AuthorityUnavailable, TokenRejected, TokenUnjudged
from preservation.model.vocabulary import EventType
from preservation.pipeline.archive import open_archive
from preservation.pipeline.held_stamps import HeldStamp, expiring, list_timestamps
from preservation.pipeline.sealing import seal_ready
from preservation.pipeline.sealing.desk import Progress
from preservation.settings import AuthoritySettings, Settings
from preservation.state import open_database, schema
from preservation.timestamp import AcceptedToken, Terms, stamp

_WORTH_A_SEAL = timedelta(days=1)
"""How much longer a token has to last: authorities whose certificates end seconds apart would
otherwise cover one another by a seal a day.
"""


def renew_timestamps(settings: Settings, progress: Progress = lambda _: None) -> dict[str, Any]:
    """Have what expires within ``renew_before_days`` covered by tokens that last longer, if any
    configured authority gives such. Says how many there were, and which are left.

    Raises:
        StoreFull, StoreConflict, LogBroken: A person must look.
    """
    due = _renewable(settings)
    if due:
        progress(f"{len(due)} time stamp(s) expire within {settings.renew_before_days} days")
        if _somebody_lasts_longer(settings, due, progress):
            _ask_for_seal(settings)
            seal_ready(settings, progress)
    left = {stamp.token_key for stamp in _renewable(settings)} if due else set()
    keys = [str(stamp.token_key) for stamp in due]
    return {
        "expiring": len(keys),
        "renewed": sum(key not in left for key in keys),
        "left": [key for key in keys if key in left],
    }


def require_renewed(settings: Settings) -> None:
    """Raise AuthorityUnavailable if time stamps expire soon and none that lasts longer covers them."""
    left = _renewable(settings)
    if left:
        first = min(stamp.token_not_after for stamp in left if stamp.token_not_after)
        raise AuthorityUnavailable(
            f"{len(left)} time stamp(s) expire from {first:%Y-%m-%d} on; no later one covers them.",
            remedy="Configure an authority whose certificates last longer, then run "
            "'preserve timestamps renew'.",
        )


def _renewable(settings: Settings) -> list[HeldStamp]:
    """What expires soon, each token once however many batches share it."""
    now = clock.now()
    due = expiring(list_timestamps(settings), settings.renew_before_days)
    # What has expired can't be renewed any more (RFC 4998 5.2).
    left = [stamp for stamp in due if not stamp.expires_before(now)]
    return list({stamp.token_key: stamp for stamp in left}.values())


def _somebody_lasts_longer(settings: Settings, due: Sequence[HeldStamp], progress: Progress) -> bool:
    """Whether a token of today would outlast one that is due by enough; asked before a seal is made."""
    log = CustodyLog(open_archive(settings), settings.log_origin)
    newest = log.read_checkpoint(log.checkpoint_sizes()[-1])
    first = min(stamp.token_not_after for stamp in due if stamp.token_not_after)
    for authority in settings.authorities:
        token = _trial(settings, authority, newest.body)
        if token is not None and token.not_after >= first + _WORTH_A_SEAL:
            return True
        ends = f"gives tokens until {token.not_after:%Y-%m-%d}" if token else "gives none now"
        progress(f"{authority.name} {ends}: no help")
    return False


def _trial(settings: Settings, authority: AuthoritySettings, note: bytes) -> AcceptedToken | None:
    terms = Terms(allow_networks=settings.allow_networks)
    try:
        return stamp(authority, note, at=clock.now(), terms=terms)
    except (AuthorityUnavailable, TokenRejected, TokenUnjudged):
        return None


def _ask_for_seal(settings: Settings) -> None:
    """Let the events of tokens that aren't logged yet ask for a seal of their own."""
    event = schema.event
    is_waiting = (
        event.c.event_type == EventType.TIMESTAMPING,
        event.c.sealed_batch_id.is_(None),
    )
    with open_database(settings.database_url).begin() as connection:
        connection.execute(update(event).where(*is_waiting).values(asks_for_seal=True))
