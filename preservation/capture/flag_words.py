"""The words by which an answer's flags are told, in the languages of our material: data alone.

Each line is a regular expression in ordinary spelling; capitals stand for what
`STANDING` and `MORE` say. `preservation.capture.flags` compares without regard to case, accents, vowel
signs, forms of the same letter and kinds of space or apostrophe.
"""

from __future__ import annotations

from enum import StrEnum


class Flag(StrEnum):
    """What an answer can look like beside its content."""

    SOFT_404 = "soft-404"
    """It says that there is nothing, with a status that says that there is."""
    LOGIN_WALL = "login-wall"
    BOT_WALL = "bot-wall"
    """It asks for proof of being human, or denies access."""
    GEO_BLOCK = "geo-block"
    """It is refused to a country, or for legal reasons."""
    REMOVED = "removed"
    """It says that it, or its author's account, was taken away."""


STANDING: dict[str, str] = {
    "LAND_EN": "country region location area territory state",
    "THING_EN": "page site video post content photo image article story message channel account "
    "profile tweet file item comment media group user",
    "THING_FR": "page site vidéo publication contenu photo image article message chaîne compte "
    "profil fichier commentaire groupe utilisateur",
    "THING_ES": "página sitio vídeo publicación contenido foto imagen artículo mensaje canal cuenta "
    "perfil archivo enlace comentario grupo usuario",
    "THING_UK": "сторінка сторінку сторінки відео допис запис публікація публікацію фото вміст "
    "контент матеріал повідомлення канал акаунт профіль файл групу група запису",
    "THING_RU": "страница страницу страницы видео видеозапись запись публикация пост фото фотография "
    "контент материал сообщение канал аккаунт запись профиль файл группа",
    "THING_AR": "صفحة الصفحة فيديو الفيديو المقطع منشور المنشور محتوى المحتوى حساب الحساب المقال "
    "المقالة التغريدة القناة الرسالة الصورة الملف الرابط الخبر المجموعة",
    "THING_FA": "صفحه صفحه\u200cای ویدیو ویدئو ویدیوی پست مطلب محتوا محتوای حساب کانال پیام عکس تصویر "
    "مقاله خبر لینک پیوند فایل گروه نوشته توییت کاربر",
}
"""What capitals stand for: any one of these words."""

MORE = r"(?:,? [\w']+){0,5}"
"""What `` MORE`` stands for."""

PHRASES: dict[Flag, str] = {
    Flag.SOFT_404: r"""
        page (?:was |is |could |can)?not (?:be )?found
        page (?:can't|couldn't) be found
        THING_EN MORE (?:doesn't|does not|no longer) exists?
        THING_EN MORE (?:isn't|is not|is no longer|not) (?:available|found)
        (?:couldn't|could not|can't|cannot) find (?:the|that|this|your) THING_EN
        THING_EN MORE currently unavailable
        THING_FR MORE (?:introuvable|non trouvée?|inexistante?|n'existe (?:pas|plus))
        THING_FR MORE (?:n'est (?:pas|plus)|non) disponible
        THING_FR MORE n'a pas été trouvée?
        n'avons pas (?:pu trouver|trouvé) (?:la|cette|votre) page
        THING_ES MORE no (?:encontrad[oa]|existe|(?:está )?disponible|se encuentra|se ha encontrado)
        no (?:se ha podido|hemos podido|pudimos|podemos) encontrar (?:la|esta) página
        no (?:se encontró|encontramos) (?:la|esta) página
        THING_UK MORE не (?:знайдено|знайдена|знайдений|існує)
        THING_UK MORE недоступн\w+
        (?:такої|цієї|запитаної) сторінки MORE немає
        THING_RU MORE не (?:найден[ао]?|существует)
        THING_RU MORE недоступ\w+
        (?:такой|этой|данной|запрашиваемой) страницы MORE нет
        THING_AR MORE غير (?:موجودة?|متوفرة?|متاحة?)
        (?:لم يتم العثور|تعذر العثور|لم نعثر|لم يعثر|لم نتمكن من العثور) على (?:هذه |هذا )?THING_AR
        THING_FA MORE (?:یافت|پیدا) نشد
        THING_FA MORE (?:وجود ندارد|در دسترس نیست)
    """,
    Flag.REMOVED: r"""
        THING_EN MORE (?:has been|have been|was|were|is) (?:removed|deleted|taken down|disabled|banned)
        THING_EN MORE (?:has been|have been|was|were|is) (?:suspended|terminated|deactivated)
        THING_EN MORE no longer available
        (?:video|content|post|page) unavailable
        from a (?:suspended|terminated|deleted|deactivated) account
        account (?:suspended|terminated|deactivated|disabled)
        (?:removed|deleted|taken down) by (?:the |its )?(?:author|user|owner|uploader|moderators?)
        THING_FR MORE (?:a été|est) (?:supprimée?|retirée?|suspendue?|désactivée?|effacée?|fermée?)
        THING_FR MORE n'est plus disponible
        compte (?:suspendu|supprimé|désactivé|fermé)
        THING_ES MORE (?:ha sido|fue|está) (?:eliminad|borrad|suspendid|retirad|cancelad|desactivad)[oa]
        THING_ES MORE ya no está disponible
        cuenta (?:suspendida|eliminada|cancelada|desactivada)
        THING_UK MORE більше не ?доступн\w+
        THING_UK MORE (?:видален[оаи]й?|вилучено|заблоковано|призупинено)
        (?:видалено|вилучено|заблоковано) (?:автором|користувачем|адміністрацією|власником)
        THING_RU MORE больше не ?доступ\w+
        удалила? (?:свою|свой) (?:страницу|профиль|аккаунт|канал)
        THING_RU MORE (?:удал[её]н|заблокирован|приостановлен|изъят)[ао]?
        (?:удал[её]н|заблокирован)[ао]? (?:автором|пользователем|администрацией|владельцем)
        (?:تمت?|جرى) (?:حذف|إزالة|تعليق|إيقاف|حظر) (?:هذه |هذا )?THING_AR
        THING_AR (?:محذوف|موقوف|معلق|محظور)ة?
        لم (?:يعد|تعد)(?: هذه| هذا)? THING_AR MORE (?:متاح|متوفر|موجود)ة?ا?
        THING_AR لم (?:يعد|تعد) (?:متاح|متوفر|موجود)ة?ا?
        THING_FA MORE (?:حذف|مسدود|تعلیق|غیرفعال) (?:شد|شده|شده است|گردید|گردیده است)
        THING_FA MORE دیگر (?:وجود ندارد|در دسترس نیست)
    """,
    Flag.GEO_BLOCK: r"""
        (?:not|isn't) (?:currently |yet )?(?:available|accessible) (?:in|from|for) (?:your|this) LAND_EN
        (?:not|n't) made MORE available (?:in|from|for) (?:your|this) LAND_EN
        (?:unavailable|blocked|restricted|prohibited|withheld) in (?:your|this) LAND_EN
        geo.?(?:blocked|restricted)
        unavailable (?:due to|for) legal reasons
        in response to a legal (?:demand|request|order)
        (?:pas|plus|non) (?:disponible|accessible) dans (?:votre|ce|cette) (?:pays|région|territoire)
        indisponible dans (?:votre|ce|cette) (?:pays|région|territoire)
        no (?:está |se encuentra )?disponible en (?:tu|su|este|esta) (?:país|región|zona|territorio)
        (?:не ?доступн|заборонен|заблокован)\w+ MORE (?:у|в|для) (?:ваш|ці)\w+ (?:країн|регіон)\w+
        (?:не ?доступ|запрещ[её]н|заблокирован)\w* MORE (?:в|для) (?:ваш|эт|данн)\w+ (?:стран|регион)\w*
        доступ MORE (?:ограничен|заблокирован) MORE (?:роскомнадзор|закон|решени|территории)\w*
        غير (?:متاح|متوفر)ة? في (?:بلدك|بلدكم|بلادك|منطقتك|دولتك|هذا البلد|هذه المنطقة)
        (?:در|از|برای) (?:کشور|منطقه) شما MORE (?:نیست|ندارد|مسدود|محدود)
    """,
    Flag.BOT_WALL: r"""
        (?:verify|verifying|prove|confirm) (?:that )?(?:you're|you are) (?:a |an )?(?:human|real person)
        (?:i'm|i am|you're|you are) not a (?:robot|bot)
        are you (?:a )?(?:human|robot)
        checking (?:if the site connection is secure|your browser)
        performing security verification
        (?:complete|solve|enter|pass|fill in) MORE (?:captcha|security check)
        enable javascript and cookies to continue
        unusual (?:traffic|activity) from your
        pardon our interruption
        ddos protection by
        access (?:to this (?:page|site|website|resource|server) )?(?:has been |is )?(?:denied|blocked)
        you (?:have been|were|are) blocked
        request (?:blocked|could not be satisfied)
        (?:vérifi|confirm)\w+ que vous (?:n')?êtes(?: pas| bien)?(?: une?)? (?:être )?(?:humaine?|robot)
        je ne suis pas un robot
        vérification (?:de votre|du) navigateur
        accès (?:refusé|interdit|bloqué)
        (?:verific|confirm|demuestr)\w+ que (?:no )?(?:eres|es) (?:un )?(?:humano|ser humano|robot)
        no soy un robot
        (?:comprob|verific)ando (?:tu|su|el) navegador
        acceso (?:denegado|bloqueado|prohibido)
        (?:підтверд\w+|довед\w+|переконатися),? що ви (?:людина|не робот)
        перевірка (?:вашого )?браузера
        доступ (?:заборонено|заблоковано|обмежено)
        (?:я не|ви|ви не) робот
        (?:подтверд\w+|докаж\w+|убедиться),? что (?:вы (?:человек|не робот)|запросы отправляли вы)
        (?:вы|вы не) робот
        проверка (?:вашего )?браузера
        доступ MORE (?:запрещ[её]н|заблокирован|закрыт)
        (?:التحقق|تحقق|تأكد|تأكيد|أثبت)(?: من)? أنك (?:إنسان|بشر|شخص حقيقي|لست)
        لست (?:برنامج )?روبوتا?
        (?:التحقق|فحص)(?: من)? (?:متصفحك|المتصفح)
        (?:رفض|منع|حظر) الوصول
        الوصول (?:مرفوض|ممنوع|محظور)
        (?:تایید|ثابت) (?:کنید|نمایید) که (?:انسان|ربات) (?:هستید|نیستید)
        من ربات نیستم
        (?:بررسی|در حال بررسی) مرورگر
        دسترسی (?:شما )?(?:غیر ?مجاز|مسدود|ممنوع|محدود)
    """,
    Flag.LOGIN_WALL: r"""
        (?:log|sign) ?in MORE to (?:continue|view|see|watch|read|access|proceed|confirm)
        you (?:must|need to|have to) (?:be (?:logged|signed) in|log ?in|sign ?in)
        log ?in (?:is )?required
        this (?:account|video|post|profile) is private
        (?:connectez|identifiez)-vous pour
        vous devez (?:être connecté|vous connecter|vous identifier)
        inici\w+ sesión para (?:continuar|ver|acceder|leer)
        debes? (?:iniciar sesión|estar (?:registrado|conectado))
        (?:увійдіть|ввійдіть|авторизуйтес[ья]),? щоб
        щоб MORE,? (?:увійдіть|ввійдіть|авторизуйтес[ья])
        (?:необхідно|потрібно) (?:увійти|авторизуватис[ья])
        (?:войдите|авторизуйтесь),? чтобы
        чтобы MORE,? (?:войдите|авторизуйтесь)
        (?:необходимо|нужно|требуется) (?:войти|авторизоваться|авторизация)
        (?:سجل|قم بتسجيل|يرجى تسجيل|يجب(?: عليك)? تسجيل) (?:ال)?دخولك?
        تسجيل الدخول (?:للمتابعة|لمشاهدة|لعرض|مطلوب)
        (?:برای|جهت) (?:ادامه|مشاهده|دیدن|دسترسی) MORE (?:وارد|لاگین) MORE شوید
        (?:لطفا|ابتدا|باید) وارد MORE شوید
        ورود MORE (?:لازم|الزامی|ضروری) است
    """,
}
"""What sentences say; looked for in texts that hold little else, and in titles that say little else."""

TITLES: dict[Flag, str] = {
    Flag.SOFT_404: r"""
        (?:http |error |erreur |ошибка |помилка |خطأ |خطای )?404(?: error)?
        (?:http |error )?404(?: not found| \(not found.*)
        (?:not found|introuvable|no encontrad[oa]|не найдено|не знайдено|غير موجودة?|یافت نشد|پیدا نشد)
    """,
    Flag.REMOVED: r"""
        (?:video|content|post|page) (?:unavailable|removed|deleted)
        (?:удалено|видалено|supprimé|eliminado|محذوف|حذف شده?)
    """,
    Flag.GEO_BLOCK: r"""
        (?:451 )?unavailable for legal reasons
    """,
    Flag.BOT_WALL: r"""
        just a moment|one moment,? please|un momento|un instant|один момент|зачекайте|لحظة(?: من فضلك)?
        چند لحظه|ой
        attention required|ddos.guard|client challenge|robot check|captcha|recaptcha
        (?:human|bot|security) (?:verification|check)
        (?:403 )?forbidden|blocked
    """,
    Flag.LOGIN_WALL: r"""
        (?:log|sign) ?in|login required|connexion|se connecter|iniciar sesión
        увійти|вхід|войти|вход|авторизац[иі]я|تسجيل الدخول
        ورود|ورود به (?:سایت|سامانه|حساب کاربری)
    """,
}
"""What titles say in so many words, between two bars or dashes; too short to look for in a text."""
