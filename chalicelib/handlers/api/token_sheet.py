"""The printable sheet of tokens: one page of HTML with a QR code for each, and nothing from elsewhere.

It is printed by the browser, true to size: the codes are SVG in millimetres. Only numbers and the business's name are
written on it, so that it needs no language.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import segno

from chalicelib.handlers.api.requests import Paper

_PAPER: Mapping[Paper, str] = {
    # Three columns of eight rows, on 24-up label paper of 70 mm by 37 mm as well as on plain paper.
    Paper.A4: "@page{size:A4;margin:0} main{display:grid;grid-template-columns:repeat(3,70mm);grid-auto-rows:37.1mm}"
    " section{display:flex;align-items:center;gap:2mm;padding:0 2mm;break-inside:avoid}"
    " svg{width:33mm;height:33mm;flex:none} p{--lines:4} section:nth-child(24n){break-after:page}",
    Paper.LABEL: "@page{size:62mm 76mm;margin:0} section{width:62mm;height:75.5mm;break-after:page;text-align:center}"
    " svg{width:56mm;height:56mm;margin:0 auto;display:block} p{--lines:2;padding:0 2mm}",
}
_STYLE = (
    "*{box-sizing:border-box} body{margin:0;color:#000;background:#fff;font:3.4mm/1.25 system-ui,sans-serif}"
    " section{overflow:hidden} p{margin:0;overflow-wrap:anywhere} strong{display:block;font-size:7mm;line-height:1.1}"
    " span{display:-webkit-box;-webkit-box-orient:vertical;-webkit-line-clamp:var(--lines);overflow:hidden}"
)


def sheet_of(merchant_name: str, addresses: Mapping[int, str], paper: Paper) -> str:
    """The page. `addresses`: number of the token → what its QR code says."""
    name = escape(merchant_name)
    cells = "\n".join(
        f'<section>{_code(number, address)}<p dir="auto"><strong>{number}</strong><span>{name}</span></p></section>'
        for number, address in addresses.items()
    )
    return (
        '<!doctype html><html><head><meta charset="utf-8"><meta name="robots" content="noindex">'
        '<meta name="referrer" content="no-referrer">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{name}</title><style>{_STYLE} {_PAPER[paper]}</style></head>"
        f"<body><main>\n{cells}\n</main></body></html>\n"
    )


def _code(number: int, address: str) -> str:
    """Error correction M: a code that is worn or spotted by a sixth is still read. The border is the standard's."""
    code = segno.make_qr(address, error="m", boost_error=False)
    return str(code.svg_inline(border=4, omitsize=True, title=f"Token {number}", dark="#000", light="#fff"))
