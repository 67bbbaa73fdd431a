"""One post read by the tools, each in a process of its own, and what they brought."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from preservation import clock
from preservation.capture.evidence import AttemptEvidence
from preservation.capture.fetch.wire_request import without_fragment, without_secrets
from preservation.capture.gateway.connection import Connection
from preservation.capture.outcomes import Failure
from preservation.capture.post.beside import Beside, films_filter, pictures_filter
from preservation.capture.post.child_process import ToolLimits, run_tool
from preservation.capture.post.failures import failure_in, is_certificate_fault, is_ours, is_unsuited
from preservation.capture.post.gallery import LABEL as GALLERY_DL
from preservation.capture.post.gallery import Gallery, GalleryJob, Picture, read_gallery
from preservation.capture.post.keeping import Downloaded, Keeping, copies_in
from preservation.capture.post.report import PostJob, PostReport, newest_lines, report_in
from preservation.capture.post.words import is_page_or_message
from preservation.capture.tap import Recorded, Tap
from preservation.capture.versions import version_of
from preservation.model.captures import Derivation
from preservation.model.vocabulary import Role

if TYPE_CHECKING:
    from preservation.settings import Settings

YT_DLP = "yt-dlp"

_GRACE_S = 3.0
"""How long a tool may go on after the deadline to end by itself; the gateway has cut it off by then."""
_TRACKS = 2
"""Which yt-dlp puts together into one file."""


@dataclass(slots=True, kw_only=True)
class Reading:
    """What the tools brought."""

    description: dict[str, Any] | None = None
    files: list[Downloaded] = field(default_factory=list)
    """By yt-dlp."""
    galleries: tuple[Gallery, ...] = ()
    """By gallery-dl."""
    failure: Failure | None = None
    remark: str | None = None
    """What isn't known of a post that has no failure."""
    certificate_fault: Failure | None = None
    """Why nobody vouches for the platform, if the post was read all the same."""
    tools: dict[str, str] = field(default_factory=dict)

    @property
    def has_media(self) -> bool:
        """Whether at least one medium came whole."""
        has_film = any(file.role is Role.MEDIA for file in self.files)
        return has_film or any(one.is_whole for one in self.pictures)

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """What gallery-dl brought."""
        return tuple(one for gallery in self.galleries for one in gallery.pictures)

    @property
    def observed(self) -> dict[str, Any] | None:
        """What the platform says of the post."""
        return self.description or next((one.description for one in self.pictures), None)

    def note_tools(self) -> None:
        """Note that gallery-dl took part, and which of its extractors."""
        self.tools[GALLERY_DL] = version_of(GALLERY_DL)
        for gallery in self.galleries:
            if gallery.extractor is not None:
                self.tools["gallery-dl extractor"] = gallery.extractor

    def note_beside(self, beside: Beside) -> None:
        """Note what *beside* lacks; what yt-dlp fell short of stays the reason."""
        words = beside.lack.detail if beside.lack else beside.unread
        if self.failure is not None:
            told = "; ".join(filter(None, (self.failure.detail, words)))
            self.failure = replace(self.failure, detail=told)
        elif beside.lack is not None:
            self.failure = beside.lack
        else:
            self.remark = words

    def keep(self, evidence: AttemptEvidence, recorded: Recorded) -> tuple[Derivation, ...]:
        """Keep all of it, and every exchange of the tools."""
        pictures = [
            Downloaded(
                path=one.path,
                role=Role.MEDIA if one.is_whole else Role.PARTIAL,
                url=one.url or "",
                is_as_sent=True,
            )
            for one in self.pictures
        ]
        films = [file for file in self.files if file.role is Role.MEDIA]
        previews = [file for file in self.files if file.role is Role.THUMBNAIL]
        copies = [*copies_in(previews, of=pictures), *copies_in(pictures, of=films)]
        ours = self._keeping(evidence, recorded, YT_DLP)
        ours.keep([file for file in self.files if file not in copies])
        theirs = self._keeping(evidence, recorded, GALLERY_DL)
        theirs.keep([file for file in pictures if file not in copies])
        if self.description:
            _keep_note(evidence, self.description)
        if pictures:
            _keep_note(evidence, [one.description for one in self.pictures])
        return (*ours.derivations, *theirs.derivations)

    def _keeping(self, evidence: AttemptEvidence, recorded: Recorded, tool: str) -> Keeping:
        return Keeping(
            evidence=evidence,
            recorded=recorded,
            label=tool,
            tool=f"{tool}: its own downloader",
            tool_version=version_of(tool),
        )


def read_post(url: str, settings: Settings, evidence: AttemptEvidence, tap: Tap) -> Reading:
    """Have yt-dlp read the post at *url*, and gallery-dl what that one leaves: all, or the pictures."""
    report, folder, failure = _by_yt_dlp(url, settings, evidence, tap)
    reading = Reading(failure=failure, tools={YT_DLP: version_of(YT_DLP)})
    if is_certificate_fault(report):
        reading.certificate_fault = failure
        report, folder, reading.failure = _by_yt_dlp(url, settings, evidence, tap, is_verified=False)
    reading.description = report.description
    reading.files = list(_downloaded(report, folder, url))
    if report.extractors:
        reading.tools["yt-dlp extractor"] = ", ".join(
            f"{name} sha256:{digest}" for name, digest in report.extractors.items()
        )
    if reading.has_media:
        _add_beside(reading, report.taken, _gallery_job(url, settings, evidence, tap))
    elif is_unsuited(reading.failure) or is_ours(reading.failure):
        _add_gallery(reading, _gallery_job(url, settings, evidence, tap))
    return reading


def _by_yt_dlp(
    url: str, settings: Settings, evidence: AttemptEvidence, tap: Tap, *, is_verified: bool = True
) -> tuple[PostReport, Path, Failure | None]:
    """What yt-dlp told, the folder of its downloads, and why that isn't all of the post."""
    gateway, folder = tap.gateway, _new_folder(evidence)
    downloads = folder / "downloads"
    downloads.mkdir()
    job = _post_job(url if is_verified else without_secrets(url, ())[0], downloads, settings, tap)
    job = replace(job, is_verified=is_verified)
    ended = run_tool(
        [sys.executable, "-m", "preservation.capture.post.worker"],
        folder=folder,
        stdin=job.to_json() + "\n",
        limits=ToolLimits(
            timeout_s=gateway.seconds_left + _GRACE_S,
            most_file_bytes=_TRACKS * job.largest_object_bytes,
        ),
        extra_environment={"SSLKEYLOGFILE": str(tap.key_log)},
    )
    with (folder / "stdout").open(encoding="utf-8", errors="replace") as lines:
        report = report_in(lines)
    if not report.is_over:
        report.words = f"exit {ended.exit_code}: {newest_lines(folder / 'stderr')}"
    asked = [one for one in gateway.connections if one.label == YT_DLP and _is_before(one, report)]
    failure = failure_in(
        report,
        is_time_up=ended.was_killed or gateway.seconds_left <= 0,
        last_connection=asked[-1] if asked else None,
    )
    return report, downloads, failure


def _is_before(connection: Connection, report: PostReport) -> bool:
    """Whether *connection* may have to do with what went wrong first."""
    return report.stumbled_at is None or connection.asked_at <= report.stumbled_at


def _post_job(url: str, folder: Path, settings: Settings, tap: Tap) -> PostJob:
    limits = settings.limits
    return PostJob(
        url=url,
        folder=str(folder),
        proxy=_proxy(tap, YT_DLP),
        over_at_monotonic_s=clock.monotonic_s() + tap.gateway.seconds_left,
        idle_timeout_s=limits.idle_timeout_s,
        largest_object_bytes=limits.largest_object_bytes,
        largest_recorded_bytes=limits.largest_recorded_bytes,
        user_agent=settings.user_agent,
        roots=str(settings.capture_roots) if settings.capture_roots else None,
        wants_comments=settings.post_comments,
    )


def _gallery_job(url: str, settings: Settings, evidence: AttemptEvidence, tap: Tap) -> GalleryJob:
    return GalleryJob(
        url=without_fragment(url),
        folder=_new_folder(evidence),
        proxy=_proxy(tap, GALLERY_DL),
        key_log=tap.key_log,
        timeout_s=tap.gateway.seconds_left,
        idle_timeout_s=settings.limits.idle_timeout_s,
        largest_object_bytes=settings.limits.largest_object_bytes,
        user_agent=settings.user_agent,
        roots=settings.capture_roots,
    )


def _add_gallery(reading: Reading, job: GalleryJob) -> None:
    """Take all that gallery-dl knows of the post. Where yt-dlp failed, a film may still be missing."""
    gallery = read_gallery(job)
    if gallery.knows_the_url:
        reading.galleries = (gallery,)
        if is_unsuited(reading.failure):
            reading.failure = gallery.failure
        reading.note_tools()


def _add_beside(reading: Reading, films_taken: int, job: GalleryJob) -> None:
    """Take what lies beside the media that yt-dlp has brought, within what is left of the time."""
    over_at_s = clock.monotonic_s() + job.timeout_s
    film_urls = frozenset(file.url for file in reading.files if file.role is Role.MEDIA)
    pictures = read_gallery(replace(job, file_filter=pictures_filter(film_urls)))
    if not pictures.knows_the_url:
        return
    beside = Beside(pictures=pictures, film_urls=film_urls, films_taken=films_taken)
    reading.galleries = (pictures,)
    if beside.has_more_films:
        # Which of them yt-dlp has, nobody says: the one of another address may be the same film.
        folder = job.folder / "films"
        folder.mkdir()
        left_s = over_at_s - clock.monotonic_s()
        films = read_gallery(
            replace(job, folder=folder, timeout_s=left_s, file_filter=films_filter(film_urls))
        )
        beside = replace(beside, films=films)
        reading.galleries = (pictures, films)
    reading.note_tools()
    reading.note_beside(beside)


def _downloaded(report: PostReport, folder: Path, url: str) -> list[Downloaded]:
    files = []
    for download in report.downloads.values():
        path = folder / download.file
        if path.is_file() and (download.is_whole or path.stat().st_size):
            files.append(
                Downloaded(
                    path=path,
                    role=Role.MEDIA if download.is_whole else Role.PARTIAL,
                    url=download.url or url,
                    is_as_sent=download.protocol in {"http", "https"},
                )
            )
    for companion in report.companions:
        path = folder / companion.file
        role = Role(companion.role)
        if path.is_file() and companion.file not in report.downloads and _is_itself(path, role):
            files.append(Downloaded(path=path, role=role, url=companion.url or url, is_as_sent=True))
    return files


def _is_itself(path: Path, role: Role) -> bool:
    """False for a page or a message in place of a preview; as an answer it is in the WARC."""
    with path.open("rb") as stream:
        return role is not Role.THUMBNAIL or not is_page_or_message(stream.read(1024))


def _keep_note(evidence: AttemptEvidence, note: dict[str, Any] | list[dict[str, Any]]) -> None:
    """Keep a tool's own description of a post."""
    name = note.get("id") if isinstance(note, dict) else note[0].get("category")
    written = json.dumps(note, ensure_ascii=False, indent=1, default=str)
    evidence.keep_bytes(
        written.encode("utf-8", "surrogatepass"),
        Role.PLATFORM_JSON,
        target_uri=f"urn:preservation:platform-json:{name}",
        content_type="application/json",
    )


def _proxy(tap: Tap, label: str) -> str:
    return f"socks5h://{label}:x@127.0.0.1:{tap.gateway.port}"


def _new_folder(evidence: AttemptEvidence) -> Path:
    folder = evidence.temporary_file()
    folder.mkdir()
    return folder
