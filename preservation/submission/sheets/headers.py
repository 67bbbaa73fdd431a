"""What people call the columns, in the languages of the published guidelines.

Arabic, English, French, Spanish, Ukrainian. A header is compared without regard to case, accents,
vowel signs, spaces, hyphens and underscores.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from preservation.errors import SheetUnreadable

OUR_PREFIX = "preserve_"
"""Columns that start with this are ours: a sheet that we filled in may be sent again."""

ALIASES: dict[str, tuple[str, ...]] = {
    "url": (
        *("url", "urls", "link", "links", "web address", "uri", "href"),
        *("رابط", "الرابط", "روابط", "عنوان الويب", "عنوان الرابط"),
        *("lien", "liens", "adresse web", "adresse url"),
        *("enlace", "enlaces", "dirección web", "vínculo"),
        *("посилання", "лінк", "веб-адреса"),
    ),
    "file": (
        *("file", "file name", "filename", "path", "attachment"),
        *("ملف", "الملف", "اسم الملف", "مرفق"),
        *("fichier", "nom du fichier", "pièce jointe", "archivo", "fichero", "nombre del archivo"),
        *("файл", "назва файлу", "імʼя файлу", "ім'я файлу"),
    ),
    "title": (
        *("title", "headline"),
        *("عنوان", "العنوان"),
        *("titre", "intitulé", "título", "titular"),
        *("назва", "заголовок"),
    ),
    "description": (
        *("description", "what it shows", "summary", "وصف", "الوصف"),
        *("résumé", "descripción", "resumen", "опис"),
    ),
    "date": (
        *("date", "event date", "date of event", "date of incident", "incident date", "when"),
        *("تاريخ", "التاريخ", "تاريخ الحدث"),
        *("date de l'événement", "fecha", "fecha del hecho", "дата", "дата події"),
    ),
    "place": (
        *("place", "location", "where"),
        *("مكان", "المكان", "الموقع"),
        *("lieu", "endroit", "lugar", "ubicación", "місце", "локація"),
    ),
    "language": (
        *("language", "lang", "لغة", "اللغة", "langue", "idioma", "lengua", "мова"),
    ),
    "source": (
        *("source", "how obtained", "obtained from", "provenance", "origin"),
        *("مصدر", "المصدر"),
        *("origine", "fuente", "procedencia", "origen", "джерело", "походження"),
    ),
    "kind": (
        *("kind", "type", "نوع", "النوع", "genre", "tipo", "clase", "тип", "вид"),
    ),
    "protection": (
        *("protection", "protection flags", "protection needs", "risk", "risks"),
        *("حماية", "الحماية", "مخاطر"),
        *("besoins de protection", "risques", "protección", "riesgos", "захист", "ризики"),
    ),
    "confidentiality": (
        *("confidentiality", "confidential", "access level", "classification"),
        *("سرية", "السرية", "مستوى السرية"),
        *("confidentialité", "confidencialidad", "конфіденційність"),
    ),
    "collection_plan": (
        *("collection plan", "خطة الجمع", "plan de collecte", "plan de recopilación", "план збору"),
    ),
}  # fmt: skip
"""Canonical name of a column, and what people call it."""

KIND_ALIASES: dict[str, tuple[str, ...]] = {
    "page": (
        "صفحة",
        "صفحة ويب",
        "موقع",
        "page web",
        "site web",
        "página",
        "sitio web",
        "сторінка",
        "сайт",
    ),
    "post": (
        "منشور",
        "تغريدة",
        "فيديو",
        "publication",
        "vidéo",
        "publicación",
        "дописи",
        "допис",
        "відео",
    ),
    "file": ("ملف", "مستند", "صورة", "fichier", "archivo", "documento", "файл", "документ", "фото"),
}
"""What people write in the column "kind", beside the English words of the routing table."""


def folded(text: str) -> str:
    """*text* as headers are compared."""
    letters = unicodedata.normalize("NFKD", text).casefold()
    letters = "".join(c for c in letters if unicodedata.category(c) not in {"Mn", "Cf"} and c != "ـ")
    return re.sub(r"[\s_\-:.*'’ʼ]+", " ", letters).strip()


_COLUMNS = {folded(alias): name for name, aliases in ALIASES.items() for alias in aliases}
_KINDS = {folded(alias): name for name, aliases in KIND_ALIASES.items() for alias in aliases}


@dataclass(frozen=True, slots=True)
class Columns:
    """What stands in which column of a sheet."""

    known: dict[str, int]
    """Canonical name to position, from 0."""
    other: dict[str, int]
    """Header as written to position."""
    headers: tuple[str, ...]

    def label(self, position: int) -> str:
        """What to call the column at *position* when speaking to the submitter."""
        written = self.headers[position].strip() if position < len(self.headers) else ""
        return written or f"column {position + 1}"


def canonical_name(header: str) -> str | None:
    """The canonical name of the column *header*; None if it is unknown."""
    return _COLUMNS.get(folded(header))


def kind_word(claimed: str | None) -> str | None:
    """*claimed* in English where we know the word; else as it is."""
    return None if claimed is None else _KINDS.get(folded(claimed), claimed)


def columns_of(headers: tuple[str, ...]) -> Columns:
    """What each of *headers* means.

    Raises:
        SheetUnreadable: Neither a URL nor a file column, or two columns mean the same.
    """
    known: dict[str, int] = {}
    other: dict[str, int] = {}
    seen: dict[str, str] = {}
    for position, header in enumerate(headers):
        written = header.strip()
        if not written or written.startswith(OUR_PREFIX):
            continue
        name = canonical_name(written)
        _refuse_a_second(seen, name or folded(written), written)
        if name:
            known[name] = position
        else:
            other[written] = position
    if not known.keys() & {"url", "file"}:
        raise _no_url_column(headers)
    return Columns(known=known, other=other, headers=headers)


def _refuse_a_second(seen: dict[str, str], meaning: str, written: str) -> None:
    if meaning in seen:
        msg = f"Two columns mean the same: {seen[meaning]!r} and {written!r}."
        raise SheetUnreadable(msg, remedy="Rename or remove one of them. No row was taken.")
    seen[meaning] = written


def _no_url_column(headers: tuple[str, ...]) -> SheetUnreadable:
    found = ", ".join(repr(header) for header in headers[:20] if header.strip()) or "nothing"
    msg = f"The sheet has no column for URLs or files; its header row says {found}."
    remedy = (
        "Give the first row the headers, one of them 'url' (also: link, رابط, lien, enlace, посилання) "
        "or 'file'. No row was taken."
    )
    return SheetUnreadable(msg, remedy=remedy)
