"""The page behind the unsubscribe link: a question with one button, what was done, or that the link is wrong."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from html import escape

from chalicelib.domain.contact import Language

ASK, DONE, GONE = "ask", "done", "gone"

_TEXTS: Mapping[Language, Mapping[str, str]] = {
    Language.ENGLISH: {
        "ask": "Do you want no more e-mails from {merchant}?",
        "means": "You will not be reminded of bills and appointments by e-mail any more. What you owe stays as it is.",
        "button": "Stop e-mails",
        "done": "{merchant} sends you no more e-mails.",
        "undo": "If that was a mistake, tell them: they can show you how to allow e-mails again.",
        "gone": "This address leads nowhere.",
        "why": "It is incomplete, or your data were erased. Then you get no e-mails anyway.",
    },
    Language.GERMAN: {
        "ask": "Möchten Sie keine E-Mails von {merchant} mehr?",
        "means": "Sie werden dann nicht mehr per E-Mail an Rechnungen und Termine erinnert. Was Sie schulden, bleibt.",
        "button": "Keine E-Mails mehr",
        "done": "{merchant} schickt Ihnen keine E-Mails mehr.",
        "undo": "Wenn das ein Versehen war, sagen Sie dort Bescheid: E-Mails lassen sich wieder erlauben.",
        "gone": "Diese Adresse führt nirgendwohin.",
        "why": "Sie ist unvollständig, oder Ihre Daten wurden gelöscht. Dann bekommen Sie ohnehin keine E-Mails.",
    },
    Language.SPANISH: {
        "ask": "¿No quiere recibir más correos de {merchant}?",
        "means": "Ya no le recordaremos por correo sus cuentas y citas. Lo que deba no cambia.",
        "button": "No recibir más correos",
        "done": "{merchant} ya no le enviará correos.",
        "undo": "Si ha sido un error, dígaselo: pueden mostrarle cómo volver a permitirlos.",
        "gone": "Esta dirección no lleva a ninguna parte.",
        "why": "Está incompleta, o sus datos se han borrado. En ese caso no recibe correos de todos modos.",
    },
    Language.KOREAN: {
        "ask": "{merchant}의 이메일을 더 이상 받지 않으시겠습니까?",
        "means": "청구서와 예약을 이메일로 더 이상 알려 드리지 않습니다. 내실 금액은 그대로입니다.",
        "button": "이메일 그만 받기",
        "done": "{merchant}에서 더 이상 이메일을 보내지 않습니다.",
        "undo": "실수였다면 매장에 말씀해 주세요. 다시 허용하는 방법을 알려 드립니다.",
        "gone": "이 주소는 사용할 수 없습니다.",
        "why": "주소가 완전하지 않거나 고객님의 정보가 삭제되었습니다. 삭제되었다면 이메일도 가지 않습니다.",
    },
    Language.ARABIC: {
        "ask": "هل تريد إيقاف رسائل البريد الإلكتروني من {merchant}؟",
        "means": "لن نذكّرك بعد الآن بالفواتير والمواعيد عبر البريد الإلكتروني. وما عليك من مبالغ يبقى كما هو.",
        "button": "إيقاف الرسائل",
        "done": "لن يرسل إليك {merchant} رسائل بريد إلكتروني بعد الآن.",
        "undo": "إذا كان ذلك خطأ فأخبرهم، ويمكنهم أن يبيّنوا لك كيف تسمح بالرسائل مرة أخرى.",
        "gone": "هذا العنوان لا يؤدي إلى شيء.",
        "why": "العنوان غير مكتمل، أو مُحيت بياناتك، وعندئذ لا تصلك أي رسائل.",
    },
}
_RIGHT_TO_LEFT = frozenset({Language.ARABIC})

_STYLE = (
    ":root{color-scheme:light dark}body{font:1.1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:15vh auto;"
    "padding:0 1.25rem}h1{font-size:1.35rem;line-height:1.3}button{font:inherit;padding:.7rem 1.4rem;"
    "border:2px solid;border-radius:.5rem;background:none;color:inherit;min-height:44px;cursor:pointer}"
)
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_HASH}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    # The address is a key.
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex",
    "X-Content-Type-Options": "nosniff",
}


def page(kind: str, language: Language, merchant: str = "") -> str:
    """A whole page in HTML, complete without script. `kind`: ASK, DONE or GONE."""
    texts = _TEXTS[language]
    # Isolated, because a name may run the other way.
    head = texts[kind].replace("{merchant}", f"<bdi>{escape(merchant)}</bdi>")
    body = {ASK: texts["means"], DONE: texts["undo"], GONE: texts["why"]}[kind]
    form = f'<form method="post"><button>{texts["button"]}</button></form>' if kind == ASK else ""
    direction = "rtl" if language in _RIGHT_TO_LEFT else "ltr"
    title = escape(texts[kind].replace("{merchant}", merchant))
    return (
        f'<!doctype html><html lang="{language}" dir="{direction}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{title}</title><style>{_STYLE}</style></head>'
        f"<body><main><h1>{head}</h1><p>{body}</p>{form}</main></body></html>"
    )
