"""Flags: what an answer looks like beside its content, told by visible rules in seven languages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preservation.capture.flag_words import PHRASES, TITLES, Flag
from preservation.capture.flags import RULES, SHORT_TEXT, Shown, flags_of
from preservation.model.captures import ContentFlag

URL = "https://example.org/story"
FILLER = "Hundreds of people crossed the square that day, and many of them had cameras. " * 20


def shown(**facts) -> Shown:
    return Shown(**{"submitted_url": URL, "final_url": URL, "status": 200, **facts})


def raised(**facts) -> set[str]:
    return {flag.flag for flag in flags_of(shown(**facts))}


TEXTS = [
    ("en", "Sorry, this page could not be found.", "soft-404"),
    ("en", "The page you are looking for doesn’t exist.", "soft-404"),
    ("en", "Sorry, this page isn't available. The link may be broken.", "soft-404"),
    ("fr", "La page que vous cherchez n’existe pas", "soft-404"),
    ("fr", "Oups ! Page introuvable", "soft-404"),
    ("es", "La página que buscas no existe", "soft-404"),
    ("es", "No se encontró la página", "soft-404"),
    ("uk", "Такої сторінки не існує", "soft-404"),
    ("uk", "Сторінку не знайдено", "soft-404"),
    ("ru", "Запрашиваемая страница не найдена", "soft-404"),
    ("ru", "Такой страницы больше нет", "soft-404"),
    ("ar", "عذراً، هذه الصفحة غير موجودة", "soft-404"),
    ("ar", "لم يتم العثور على الصفحة", "soft-404"),
    ("ar", "لم نتمكن من العثور على الصفحة", "soft-404"),
    ("en", "We couldn't find this account", "soft-404"),
    ("fr", "Nous n'avons pas trouvé la page", "soft-404"),
    ("es", "No hemos podido encontrar la página", "soft-404"),
    ("fa", "صفحه مورد نظر یافت نشد", "soft-404"),
    ("fa", "صفحه‌ای که دنبال آن هستید وجود ندارد", "soft-404"),
    ("fa-with-arabic-letters", "این صفحه در دسترس نيست", "soft-404"),
    ("en", "This video has been removed by the uploader", "removed"),
    ("en", "Account suspended", "removed"),
    ("fr", "Cette vidéo a été supprimée", "removed"),
    ("es", "Esta cuenta ha sido suspendida", "removed"),
    ("uk", "Цей допис було видалено автором", "removed"),
    ("uk", "Обліковий запис заблоковано", "removed"),
    ("ru", "Видеозапись была удалена", "removed"),
    ("ru", "Аккаунт заблокирован", "removed"),
    ("ar", "تم حذف هذا المنشور", "removed"),
    ("ar", "الحساب موقوف", "removed"),
    ("ar", "لم يعد هذا الفيديو متاحًا", "removed"),
    ("ar", "هذا الفيديو لم يعد متاحًا", "removed"),
    ("en", "This Post is from a suspended account", "removed"),
    ("uk", "Це відео більше не доступне", "removed"),
    ("ru", "Пользователь удалил свою страницу", "removed"),
    ("fa", "این ویدیو حذف شده است", "removed"),
    ("fa", "این حساب کاربری مسدود شده است", "removed"),
    ("en", "The uploader has not made it: not available in your country", "geo-block"),
    ("fr", "Vidéo non disponible dans votre pays", "geo-block"),
    ("es", "Este contenido no está disponible en tu país", "geo-block"),
    ("uk", "Цей вміст недоступний у вашій країні", "geo-block"),
    ("ru", "Видео недоступно в вашей стране", "geo-block"),
    ("ar", "هذا الفيديو غير متاح في بلدك", "geo-block"),
    ("en", "The uploader has not made this video available in your country", "geo-block"),
    ("fr", "Ce contenu n'est pas accessible dans votre région", "geo-block"),
    ("uk", "Відео недоступне для перегляду у вашій країні", "geo-block"),
    ("ru", "Доступ к ресурсу заблокирован на основании закона", "geo-block"),
    ("fa", "این ویدیو در کشور شما در دسترس نیست", "geo-block"),
    ("fa", "دسترسی از کشور شما امکان پذیر نیست", "geo-block"),
    ("en", "Verify you are human by completing the action below.", "bot-wall"),
    ("en", "Checking your browser before accessing example.org", "bot-wall"),
    ("en", "Access Denied", "bot-wall"),
    ("en", "Please complete the captcha", "bot-wall"),
    ("fr", "Vérifiez que vous êtes humain", "bot-wall"),
    ("fr", "Accès refusé", "bot-wall"),
    ("es", "Acceso denegado", "bot-wall"),
    ("es", "Verifica que eres humano", "bot-wall"),
    ("uk", "Підтвердьте, що ви не робот", "bot-wall"),
    ("uk", "Доступ заборонено", "bot-wall"),
    ("ru", "Подтвердите, что запросы отправляли вы, а не робот", "bot-wall"),
    ("ru", "Доступ к ресурсу запрещён", "bot-wall"),
    ("ar", "تحقّق من أنّك إنسان", "bot-wall"),
    ("ar", "تم رفض الوصول", "bot-wall"),
    ("fr", "Confirmez que vous êtes un humain", "bot-wall"),
    ("ru", "Вы не робот?", "bot-wall"),
    ("fa", "تأیید کنید که انسان هستید", "bot-wall"),
    ("fa", "من ربات نیستم", "bot-wall"),
    ("fa", "دسترسی غیرمجاز", "bot-wall"),
    ("en", "Please log in or sign up to continue", "login-wall"),
    ("fr", "Connectez-vous pour continuer", "login-wall"),
    ("es", "Inicia sesión para continuar", "login-wall"),
    ("uk", "Увійдіть, щоб переглянути", "login-wall"),
    ("ru", "Необходимо авторизоваться", "login-wall"),
    ("ar", "يجب تسجيل الدخول", "login-wall"),
    ("en", "Sign in to confirm your age", "login-wall"),
    ("uk", "Щоб переглянути, увійдіть", "login-wall"),
    ("ru", "Чтобы посмотреть, войдите", "login-wall"),
    ("fa", "برای مشاهده باید وارد شوید", "login-wall"),
    ("fa", "لطفا وارد حساب کاربری خود شوید", "login-wall"),
]


@pytest.mark.parametrize(
    ("text", "flag"),
    [row[1:] for row in TEXTS],
    ids=[f"{flag}-{language}-{number}" for number, (language, _, flag) in enumerate(TEXTS)],
)
def test_a_short_text_that_says_so_is_flagged_with_its_words(text, flag):
    found = flags_of(shown(text=f"Menu\n{text}\nContact", text_length=len(text) + 13))

    evidence = {one.flag: one.evidence for one in found}
    assert evidence[flag].startswith("text: ")
    assert text.split()[-1] in evidence[flag]


@pytest.mark.parametrize(
    ("text", "flag"),
    [row[1:] for row in TEXTS],
    ids=[f"{flag}-{language}-{number}" for number, (language, _, flag) in enumerate(TEXTS)],
)
def test_the_same_words_in_a_long_text_flag_nothing(text, flag):
    whole = f"{FILLER}{text} {FILLER}"

    assert flag not in raised(text=whole, text_length=len(whole))
    assert raised(text=text, text_length=len(whole)) == set()


@pytest.mark.parametrize(
    ("title", "flag"),
    [
        ("404", "soft-404"), ("Error 404 (Not Found)!!1", "soft-404"), ("Oops! Page not found - The Paper", "soft-404"),
        ("Страница не найдена | ВКонтакте", "soft-404"), ("الصفحة غير موجودة", "soft-404"),
        ("خطای ۴۰۴", "soft-404"), ("صفحه یافت نشد | روزنامه", "soft-404"), ("ورود", "login-wall"), ("Ой!", "bot-wall"),
        ("Just a moment...", "bot-wall"), ("Attention Required! | Cloudflare", "bot-wall"),
        ("Access to this page has been denied", "bot-wall"), ("Un momento…", "bot-wall"),
        ("Log in | Network", "login-wall"), ("Вхід", "login-wall"), ("تسجيل الدخول", "login-wall"),
        ("Video unavailable", "removed"), ("451 Unavailable For Legal Reasons", "geo-block"),
    ],
    ids=lambda value: value if value.isascii() else ascii(value),
)  # fmt: skip
def test_a_title_that_says_so_is_flagged_beside_any_text(title, flag):
    assert flags_of(shown(title=title, text=FILLER, text_length=len(FILLER))) == (
        ContentFlag(flag=flag, evidence=f"title: {title}"),
    )


@pytest.mark.parametrize(
    "title",
    [
        "Girl not found after three days", "Video of the strike removed by platforms, families say",
        "Blocked roads in the north", "How 404 Media covers the web", "Account of a survivor",
        "The deleted scenes", "Captcha: a history in 12 parts", "حذف الديون عن المزارعين",
        "Удалённая работа: как начать", "", " | ", "— : —",
    ],
    ids=lambda value: ascii(value) or "empty",
)  # fmt: skip
def test_a_title_about_something_else_is_not_flagged(title):
    assert raised(title=title, text=FILLER, text_length=len(FILLER)) == set()


@pytest.mark.parametrize(
    "text",
    [
        "The statue has been removed from the square.", "They deleted everything that we had.",
        "Le président a été retiré de la liste.", "Пам'ятник демонтовано вночі.", "تم تعليق المفاوضات أمس.",
        "این کتاب در سال گذشته منتشر شد.", "Video removed from the square was seen again.",
        "The road is not available to trucks.", "Robots in factories: a report.",
    ],
    ids=lambda value: ascii(value)[:30],
)  # fmt: skip
def test_a_short_text_about_something_else_is_not_flagged(text):
    assert raised(text=text, text_length=len(text)) == set()


@pytest.mark.parametrize(
    ("status", "fields", "found"),
    [
        (401, (), ("login-wall", "status: 401")),
        (410, (), ("removed", "status: 410")),
        (451, (), ("geo-block", "status: 451")),
        (403, (("CF-Mitigated", "challenge"),), ("bot-wall", "CF-Mitigated: challenge")),
        (200, (("x-amzn-waf-action", "captcha"),), ("bot-wall", "x-amzn-waf-action: captcha")),
        (403, (("Server", "AkamaiGHost"),), ("bot-wall", "Server: AkamaiGHost")),
        (
            200,
            (("Link", '<https://isp.example>; rel="blocked-by"'),),
            ("geo-block", 'Link: <https://isp.example>; rel="blocked-by"'),
        ),
    ],
    ids=["401", "410", "451", "cloudflare", "aws", "akamai", "rfc7725"],
)
def test_what_the_server_says_outright_is_flagged(status, fields, found):
    assert flags_of(shown(status=status, fields=fields)) == (
        ContentFlag(flag=found[0], evidence=found[1]),
    )


def test_a_server_behind_which_many_sites_stand_is_no_flag_by_itself():
    assert raised(status=200, fields=(("Server", "AkamaiGHost"), ("Link", '</a>; rel="next"'))) == set()


def test_a_status_that_says_not_found_is_no_soft_one():
    assert raised(status=404, title="Page not found", text="Page not found", text_length=14) == set()


def test_where_a_site_leads_is_evidence():
    found = flags_of(shown(final_url="https://example.org/login?next=/story"))

    assert found == (
        ContentFlag(flag="login-wall", evidence="address: https://example.org/login?next=/story"),
    )


def test_a_password_field_on_an_empty_page_is_a_login_wall():
    assert raised(has_password_field=True, text="Members", text_length=7) == {"login-wall"}


def test_who_asks_for_a_login_page_meets_no_wall():
    login = "https://example.org/login"

    assert (
        raised(submitted_url=login, final_url=login, title="Log in", has_password_field=True) == set()
    )


@pytest.mark.parametrize("words", [PHRASES, TITLES], ids=["phrases", "titles"])
def test_every_flag_has_words(words):
    assert set(words) == set(Flag)


def test_a_flags_own_rules_stand_in_the_order_of_their_weight():
    facts = {"status": 410, "title": "Video removed", "text": "This video has been removed"}

    assert [one.evidence for one in flags_of(shown(**facts))] == ["status: 410"]
    assert {rule.flag for rule in RULES} == set(Flag)


ANY_TEXT = st.text(st.characters(codec=None), max_size=300)
PHRASE = st.sampled_from([text for _, text, _ in TEXTS])
MIXED = st.lists(ANY_TEXT | PHRASE, max_size=4).map("".join)


@given(
    st.builds(
        Shown,
        submitted_url=MIXED,
        final_url=st.none() | MIXED,
        status=st.none() | st.integers(-1, 1000),
        fields=st.lists(st.tuples(ANY_TEXT, ANY_TEXT), max_size=3).map(tuple),
        title=MIXED,
        text=MIXED,
        text_length=st.integers(0, 2 * SHORT_TEXT),
        has_password_field=st.booleans(),
    )
)
def test_no_answer_makes_the_rules_raise_and_evidence_is_short_and_printable(answer):
    found = flags_of(answer)

    assert len({one.flag for one in found}) == len(found)
    for one in found:
        assert 0 < len(one.evidence.encode()) <= 4 * 300
        assert "\n" not in one.evidence
        assert "\x00" not in one.evidence


@given(PHRASE, st.text("ABC abc.,\n", max_size=200), st.text("ABC abc.,\n", max_size=200))
def test_words_are_found_wherever_they_stand_and_shown_as_they_stand(phrase, before, after):
    text = f"{before}. {phrase}. {after}"

    found = flags_of(shown(text=text, text_length=len(text)))

    assert found
    plain = " ".join(text.split())
    assert all(one.evidence.removeprefix("text: ") in plain for one in found)


@given(PHRASE)
def test_case_and_apostrophes_make_no_difference(phrase):
    loud = phrase.upper().replace("'", "\u2019")

    assert raised(text=loud, text_length=len(loud)) == raised(text=phrase, text_length=len(phrase))
