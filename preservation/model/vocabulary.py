"""The words of the model: one per thing, the same in every table, sheet and message."""

from __future__ import annotations

from enum import StrEnum


class Engine(StrEnum):
    """How an item is captured."""

    PAGE = "page"
    """A web page, in Chromium."""
    POST = "post"
    """A social-media or media post, with yt-dlp."""
    FILE = "file"
    """A file, streamed over HTTP."""
    SUBMITTED = "submitted"
    """A file that the submitter sent along."""


class Outcome(StrEnum):
    """What one capture attempt, or an item as a whole, came to."""

    CAPTURED = "captured"
    PARTLY_CAPTURED = "partly-captured"
    NOT_CAPTURED = "not-captured"


class Status(StrEnum):
    """What a submitter sees of an item."""

    RECEIVED = "received"
    WAITING_FOR_AGREEMENT = "waiting-for-agreement"
    WAITING_FOR_YOU = "waiting-for-you"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    CAPTURE_QUEUED = "capture-queued"
    CAPTURING = "capturing"
    CAPTURED = "captured"
    PARTLY_CAPTURED = "partly-captured"
    NOT_CAPTURED = "not-captured"
    PRESERVED = "preserved"
    HELD_ALREADY = "held-already"
    UNDER_REVIEW = "under-review"
    SHARING_WITHDRAWN = "sharing-withdrawn"


STATUS_SENTENCES: dict[Status, str] = {
    Status.RECEIVED: "We have your row; nothing has been done with it yet.",
    Status.WAITING_FOR_AGREEMENT: "No agreement covers this yet; nothing is captured until one does.",
    Status.WAITING_FOR_YOU: "We need something from you first; the reason says what.",
    Status.ACCEPTED: "Your agreement covers this; it is not captured yet.",
    Status.DECLINED: "We will not capture this, by the rule named; that says nothing about its worth.",
    Status.CAPTURE_QUEUED: "It waits for capture, or for its next try; it is not preserved yet.",
    Status.CAPTURING: "It is being captured now; it is not preserved yet.",
    Status.CAPTURED: "All of it was captured; it is not sealed yet.",
    Status.PARTLY_CAPTURED: "Part of it is preserved; the reason says what is missing.",
    Status.NOT_CAPTURED: "The content could not be captured; the record of each attempt is preserved.",
    Status.PRESERVED: "It is in the archive, sealed. That does not prove that its content is true.",
    Status.HELD_ALREADY: "We already hold the same bytes; your submission is credited beside them.",
    Status.UNDER_REVIEW: "A person looks at it; nothing is lost meanwhile.",
    Status.SHARING_WITHDRAWN: "It is no longer shared; preserved material is never deleted.",
}
"""One plain sentence a status: what it means and what it doesn't mean."""


class Reason(StrEnum):
    """Why an item, a resource or an attempt fell short."""

    LOGIN_WALL = "login-wall"
    REMOVED = "removed"
    GEO_BLOCKED = "geo-blocked"
    RATE_LIMITED = "rate-limited"
    TOO_LARGE = "too-large"
    UNSUPPORTED_SITE = "unsupported-site"
    MALFORMED_URL = "malformed-url"
    PRIVATE_NETWORK_REFUSED = "private-network-refused"
    MALWARE_SUSPECTED = "malware-suspected"
    TIMEOUT = "timeout"
    TRUNCATED = "truncated"
    SERVER_ERROR = "server-error"
    NOT_FOUND = "not-found"
    TOOL_ERROR = "tool-error"
    REDIRECT_LOOP = "redirect-loop"
    UNREACHABLE = "unreachable"
    """The name doesn't resolve, or nothing accepts the connection."""
    CERTIFICATE_FAULT = "certificate-fault"
    RESOURCES_MISSING = "resources-missing"
    """The page is held; some of what it refers to isn't."""


REASON_SENTENCES: dict[Reason, str] = {
    Reason.LOGIN_WALL: "The site shows this only to people who are logged in.",
    Reason.REMOVED: "The site says that it was removed.",
    Reason.GEO_BLOCKED: "The site refuses it to our country or for legal reasons.",
    Reason.RATE_LIMITED: "The site asked us to slow down.",
    Reason.TOO_LARGE: "It is larger than the limit for one item.",
    Reason.UNSUPPORTED_SITE: "None of our tools can read this kind of address.",
    Reason.MALFORMED_URL: "The address isn't a valid http or https URL.",
    Reason.PRIVATE_NETWORK_REFUSED: "The address lies in a private network, which we never visit.",
    Reason.MALWARE_SUSPECTED: "It looks harmful and was set aside.",
    Reason.TIMEOUT: "The site did not answer in time.",
    Reason.TRUNCATED: "The site broke off before the end.",
    Reason.SERVER_ERROR: "The site answered that it has a fault of its own.",
    Reason.NOT_FOUND: "The site says that there is nothing at this address.",
    Reason.TOOL_ERROR: "One of our tools failed; we will look into it.",
    Reason.REDIRECT_LOOP: "The site sends us round in a circle.",
    Reason.UNREACHABLE: "No server could be reached at this address.",
    Reason.CERTIFICATE_FAULT: "The site could not prove that it is the site it claims to be.",
    Reason.RESOURCES_MISSING: "The page is held; some of the things that it shows are not.",
}


class Role(StrEnum):
    """What a stored bitstream is to its item."""

    HTML_AS_SERVED = "html-as-served"
    RENDERED_DOM = "rendered-dom"
    SCREENSHOT = "screenshot"
    RESOURCE = "resource"
    """Something that a page referred to."""
    MEDIA = "media"
    """The media of a post."""
    THUMBNAIL = "thumbnail"
    """A preview picture, as the platform served it."""
    SUBTITLES = "subtitles"
    PAGE_TEXT = "page-text"
    """The text that a page shows."""
    PDF = "pdf"
    """The page as printed from its replay."""
    SINGLE_FILE = "single-file"
    """The page and what it shows as one MHTML file, as the browser made it of the replay."""
    VISIT_LOG = "visit-log"
    """What happened in the browser: console, dialogs, behaviours, timings."""
    NETWORK_LOG = "network-log"
    """Every connection of the attempt: addresses, DNS answers, TLS chain, how it ended."""
    RECORDING = "recording"
    """The connections themselves, byte for byte, with the keys that open them (pcapng)."""
    MESSAGES = "messages"
    """What was said over a WebSocket."""
    PLATFORM_JSON = "platform-json"
    """The extractor's raw description of a post."""
    FILE = "file"
    """A file fetched over HTTP."""
    SUBMITTED_ORIGINAL = "submitted-original"
    ERROR_BODY = "error-body"
    """What the server sent with a refusal or an error."""
    PARTIAL = "partial"
    """The bytes that came before a transfer broke off."""


class EventType(StrEnum):
    """PREMIS event types (id.loc.gov/vocabulary/preservation/eventType), and some of our own."""

    TRANSFER = "transfer"
    """A submission arrived and was judged."""
    CAPTURE = "capture"
    MESSAGE_DIGEST_CALCULATION = "message digest calculation"
    METADATA_EXTRACTION = "metadata extraction"
    INGESTION = "ingestion"
    """An item's rows entered a manifest."""
    PACKING = "packing"
    """A batch's files were written."""
    FIXITY_CHECK = "fixity check"
    POLICY_ASSIGNMENT = "policy assignment"
    """A collection plan was put in force."""
    RENDERING = "rendering"
    """A page was shown offline from its capture, and printed."""
    FINGERPRINTING = "fingerprinting"
    """Ours: perceptual hashes were computed."""
    TIMESTAMPING = "timestamping"
    """Ours: an RFC 3161 token over a checkpoint was accepted."""
    COSIGNING = "cosigning"
    """Ours: a witness cosigned a checkpoint, or was asked in vain."""
    CREATION = "creation"
    """The archive was founded."""
    REPLICATION = "replication"
    """Files were copied to a second store."""
    RECOVERY = "recovery"
    """A damaged or missing file was brought back from a second store."""
    DISSEMINATION = "dissemination"
    """Items were exported."""
    ENCRYPTION = "encryption"
    """Fields or objects that identify a source were encrypted under that source's key."""
    KEY_ROTATION = "key rotation"
    """Ours: the log goes on under another signing key."""
    ERASURE = "erasure"
    """Ours: a source's key was destroyed, so that what it protects can't be read any more."""
    ACCESS = "access"
    """Ours: somebody opened what is protected, or asked for it."""
    ASSESSMENT = "assessment"
    """Ours: a person decided whether two bitstreams show the same."""
