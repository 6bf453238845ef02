"""Drafts a pack: from a tab's entries the fields that a dispute's reason calls for, each with the entries it cites.

It is written in English, the language of the networks' process; its owner can put other words in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from chalicelib.domain.money import format_amount
from chalicelib.domain.news.dates import local_date
from chalicelib.domain.news.delivery import DeliveryState
from chalicelib.domain.news.message import Recipient
from chalicelib.domain.tab.payments import LegKind
from chalicelib.domain.trust.evidence.compelling import PROGRAM, WANTED, choose, customers_ip
from chalicelib.domain.trust.evidence.fields import (
    LIMITS,
    MOST_DRAFTED,
    FileField,
    TextField,
    fields_for,
)
from chalicelib.domain.trust.evidence.pack import EarlierPayment, Lack, Missing, Origin, Pack, PackField

if TYPE_CHECKING:
    from chalicelib.domain.contact import Contact
    from chalicelib.domain.news.delivery import Delivery
    from chalicelib.domain.tab.entry import Entry
    from chalicelib.domain.tab.payments import Dispute, Leg
    from chalicelib.domain.tab.tab import Tab
    from chalicelib.domain.trust.evidence.pack import DisputeAnswer


class Known(Struct, frozen=True, kw_only=True):
    """All that a draft is made of. `deliveries`: what became of messages. `earlier`: undisputed payments with the card.

    `contact` None: there is none, or it was erased. `zone`: the business's time zone, which days are told in.
    """

    tab: Tab
    leg: Leg
    dispute: Dispute
    entries: Sequence[Entry]
    deliveries: Sequence[Delivery] = ()
    contact: Contact | None = None
    earlier: Sequence[EarlierPayment] = ()
    business: str = ""
    zone: str = "UTC"
    answer: DisputeAnswer | None = None


class _Line(Struct, frozen=True):
    text: str
    entries: tuple[int, ...]


_Told = Mapping[str, Any]


def draft_pack(known: Known) -> Pack:
    """The pack as it would be sent now: the draft, with the owner's own texts and files in it."""
    wanted = fields_for(known.dispute.reason, is_fee=known.tab.fee is not None)
    email = known.contact.email if known.contact else None
    earlier: tuple[EarlierPayment, ...] = tuple(known.earlier)
    if PROGRAM in known.dispute.programs:
        earlier = choose(earlier, customers_ip(known.tab), email)
    own = known.answer.texts if known.answer else {}
    fields = []
    for name in TextField:
        if name in own:
            if own[name]:
                fields.append(PackField(name=name, text=own[name], origin=Origin.OWNER))
        elif name in wanted and (made := _MAKE[name](known) if name in _MAKE else None):
            fields.append(made)
    files = dict(known.answer.files) if known.answer else {}
    return Pack(
        dispute_id=known.dispute.dispute_id,
        fields=tuple(fields),
        files=files,
        earlier=earlier,
        missing=tuple(_missing(known, wanted, earlier, files, own)),
    )


# ---- The fields


def _of_contact(name: TextField, text: str | None) -> PackField | None:
    return PackField(name=name, text=text[: LIMITS[name]], origin=Origin.CONTACT) if text else None


def _of_lines(name: TextField, lines: Iterable[_Line], head: str = "") -> PackField | None:
    """As many of the lines as fit, the first ones first; how many were left out is said."""
    lines = list(lines)
    if not lines:
        return None
    room = min(LIMITS[name], MOST_DRAFTED) - len("\n(and 999 more)")
    kept: list[_Line] = []
    text = head
    for line in lines:
        longer = f"{text}\n{line.text}" if text else line.text
        if len(longer) > room:
            break
        text, kept = longer, [*kept, line]
    if not kept:
        # One line alone is longer than a page.
        text, kept = lines[0].text[:room], lines[:1]
    if left := len(lines) - len(kept):
        text += f"\n(and {left} more)"
    entries = sorted({seq for line in kept for seq in line.entries})
    return PackField(name=name, text=text, origin=Origin.ENTRIES, entries=tuple(entries))


def _ip(known: Known) -> PackField | None:
    ip, sealed = customers_ip(known.tab), _last(known, "promise_accepted")
    if ip is None or sealed is None:
        return None
    name = TextField.CUSTOMER_PURCHASE_IP
    return PackField(name=name, text=ip, origin=Origin.ENTRIES, entries=(sealed.seq,))


def _product(known: Known) -> PackField | None:
    tab = known.tab
    opened = _all(known, "opened")
    lines = [_Line(f"{tab.title}, by {known.business}." if known.business else f"{tab.title}.", _seqs(opened))]
    if tab.parent is not None:
        lines.append(_Line(f"A share of one bill: {_money(known, tab.parent.amount_minor)}.", _seqs(opened)))
    if sealed := _last(known, "promise_accepted"):
        outcome = tab.promise.expected_outcome
        lines.append(_Line(f"Agreed on beforehand: {outcome}.", (sealed.seq,)) if outcome else _Line("", ()))
    for entry in _all(known, "items_added"):
        items = [tab.item(added["item_id"]) for added in entry.details["items"]]
        said = [
            f"{item.description} ({item.quantity} × {_money(known, item.unit_price_minor)})"
            for item in items
            if item is not None and item.voided_at is None
        ]
        if said:
            lines.append(_Line(f"Done: {', '.join(said)}.", (entry.seq,)))
    if (fee := tab.fee) is not None:
        due = _all(known, "fee_due")
        lines.append(_Line(f"{_FEE[fee.kind]}: {_money(known, fee.amount_minor)}, disclosed beforehand.", _seqs(due)))
    return _of_lines(TextField.PRODUCT_DESCRIPTION, [line for line in lines if line.entries])


_FEE = {"no_show": "Fee for not coming", "late_cancel": "Fee for canceling late"}


def _service_date(known: Known) -> PackField | None:
    """The day on which it was done, in the business's zone; of a fee, the day that was booked."""
    came = _last(known, "checked_in") or _last(known, "bill_presented")
    at, entry = (came.at, came) if came else (known.tab.starts_at, _last(known, "no_show") or _last(known, "canceled"))
    if at is None or entry is None:
        return None
    day = local_date(at, known.zone).isoformat()
    return PackField(name=TextField.SERVICE_DATE, text=day, origin=Origin.ENTRIES, entries=(entry.seq,))


def _activity(known: Known) -> PackField | None:
    """What the customer did themselves, when, and from where."""
    lines = []
    for entry in known.entries:
        if (said := _BY_CUSTOMER.get(entry.kind)) is None:
            continue
        where = ""
        if entry.kind == "promise_accepted":
            sealed = known.tab.promise.accepted
            if entry.details.get("method") == "in_person":
                continue
            if sealed is not None and entry.details.get("promise_sha256") == sealed.promise_sha256 and sealed.ip:
                where = f", from IP address {sealed.ip} with {sealed.user_agent or 'an unnamed browser'}"
        lines.append(_Line(f"{_when(entry.at)}: {said}{where}.", (entry.seq,)))
    return _of_lines(TextField.ACCESS_ACTIVITY_LOG, lines, "What the customer did in the app or on their page:")


_BY_CUSTOMER = {
    "promise_accepted": "accepted the written promise (price limit, fees, review time)",
    "consents_added": "gave further consents",
    "bill_seen": "opened the bill",
    "tier_chosen": "said which outcome was reached, and so the price",
    "bill_accepted": "accepted the bill",
    "rated": "rated the visit",
    "contested": "contested a part of the bill",
    "cash_announced": "announced to pay in cash",
}


def _refund_policy(known: Known) -> PackField | None:
    sealed = _last(known, "promise_accepted")
    if sealed is None:
        return None
    hours = known.tab.promise.review_window_s // 3600
    text = (
        f"Before the service the customer accepted these terms ({_when(sealed.at)}): the bill is presented after the "
        f"service, they have {hours} hours to contest any part of it, and nothing is charged automatically before "
        "that. A contest that the business leaves unanswered ends in the customer's favour. What was paid above the "
        "bill is refunded by itself."
    )
    lines = [_Line(text, (sealed.seq,))]
    lines += [
        _Line(f"{_when(entry.at)}: the bill was presented.", (entry.seq,)) for entry in _all(known, "bill_presented")
    ]
    return _of_lines(TextField.REFUND_POLICY_DISCLOSURE, lines)


def _refund_refusal(known: Known) -> PackField | None:
    lines = [_said(known, entry) for entry in known.entries if entry.kind in _ABOUT_REFUNDS]
    if not any(entry.kind == "contested" for entry in known.entries):
        answered = [entry for entry in known.entries if entry.kind in ("bill_accepted", "review_ended")]
        if answered:
            lines.append(_Line("The customer never contested the bill with the business.", _seqs(answered)))
    refunded = [entry for entry in known.entries if entry.kind == "refunded"]
    if refunded:
        total = sum(entry.details["amount_minor"] for entry in refunded)
        lines.append(_Line(f"{_money(known, total)} was refunded already.", _seqs(refunded)))
    return _of_lines(TextField.REFUND_REFUSAL_EXPLANATION, [line for line in lines if line is not None])


_ABOUT_REFUNDS = frozenset(
    {"bill_accepted", "review_ended", "contested", "contest_resolved", "refunded", "bill_adjusted"}
)


def _cancellation_policy(known: Known) -> PackField | None:
    sealed, promise = _last(known, "promise_accepted"), known.tab.promise
    if sealed is None or not (promise.no_show_fee_minor or promise.late_cancel_fee_minor):
        return None
    terms = []
    if promise.late_cancel_fee_minor:
        until = promise.free_until(known.tab.updated_at)
        free = f"free until {_when(until)}, then" if until else "for"
        terms.append(f"canceling is {free} {_money(known, promise.late_cancel_fee_minor)}")
    if promise.no_show_fee_minor:
        terms.append(f"not coming costs {_money(known, promise.no_show_fee_minor)}")
    text = f"Accepted by the customer on {_when(sealed.at)}, before the booking was made: {'; '.join(terms)}."
    return _of_lines(TextField.CANCELLATION_POLICY_DISCLOSURE, [_Line(text, (sealed.seq,))])


def _cancellation_rebuttal(known: Known) -> PackField | None:
    lines = [
        _said(known, entry) for entry in known.entries if entry.kind in ("canceled", "no_show", "fee_due", "checked_in")
    ]
    return _of_lines(TextField.CANCELLATION_REBUTTAL, [line for line in lines if line is not None])


def _duplicate(known: Known) -> PackField | None:
    """Which payments the tab has, and that together they are one bill. Of a split one each share has its own."""
    tab, kinds = known.tab, {"captured", "charged", "cash_taken"}
    if tab.parent is not None or any(share.told.paid_minor for share in tab.shares):
        kinds |= {"split", "share_paid"} if tab.parent is None else {"opened"}
        head = "One bill was split, and each share of it has a payment of its own. This one:"
    else:
        legs = [leg for leg in tab.legs if leg.kind != LegKind.CREDIT]
        if len([entry for entry in known.entries if entry.kind in kinds]) < WANTED:
            return None
        total = _money(known, sum(leg.amount_minor for leg in legs))
        head = f"These are parts of one bill, not the same one twice; together they are {total}:"
    paid = [entry for entry in known.entries if entry.kind in kinds]
    lines = [line for entry in paid if (line := _said(known, entry)) is not None]
    return _of_lines(TextField.DUPLICATE_CHARGE_EXPLANATION, lines, head)


def _history(known: Known) -> PackField | None:
    """What happened, in its order, with the messages that the customer was sent; then the earlier payments."""
    lines = [(entry.at, line) for entry in known.entries if (line := _said(known, entry)) is not None]
    lines += [(delivery.at, line) for delivery in known.deliveries if (line := _message(delivery)) is not None]
    in_order = [line for _, line in sorted(lines, key=lambda pair: pair[0])]
    field = _of_lines(TextField.UNCATEGORIZED_TEXT, in_order, "What happened, as it was recorded at the time:")
    if field is None or not known.earlier:
        return field
    text = f"{field.text}\n{_earlier_in_words(known)}"
    if len(text) > LIMITS[TextField.UNCATEGORIZED_TEXT]:
        return field
    return PackField(name=field.name, text=text, origin=field.origin, entries=field.entries)


def _earlier_in_words(known: Known) -> str:
    said = [
        f"{one.at.astimezone(UTC):%Y-%m-%d} {format_amount(one.amount_minor, one.currency)} ({one.payment_id})"
        for one in known.earlier[:10]
    ]
    return f"The same card has paid the business before, and nobody disputed that: {', '.join(said)}."


def _message(delivery: Delivery) -> _Line | None:
    reached = _REACHED.get(delivery.state)
    if delivery.message.to != Recipient.CUSTOMER or reached is None or delivery.channel is None:
        return None
    kind = delivery.message.kind.replace("_", " ")
    return _Line(
        f"{_when(delivery.at)}: the message '{kind}' was {reached} by {delivery.channel}.", (delivery.message.seq,)
    )


_REACHED = {DeliveryState.HANDED_OVER: "handed over", DeliveryState.DELIVERED: "delivered"}


# ---- One entry in a sentence


def _said(known: Known, entry: Entry) -> _Line | None:
    say = _SENTENCES.get(entry.kind)
    text = say(known, entry.details) if say else None
    return _Line(f"{_when(entry.at)}: {text}", (entry.seq,)) if text else None


def _opened(known: Known, told: _Told) -> str:
    if (parent := known.tab.parent) is None:
        return f"a tab was opened for '{known.tab.title}'."
    return (
        f"the bill for '{known.tab.title}' was split (tab {parent.tab_id}), and this share of "
        f"{_money(known, parent.amount_minor)} was opened for whoever pays it."
    )


def _accepted(known: Known, told: _Told) -> str:
    promise = known.tab.promise
    how = {"app": "in the app", "guest_link": "on their personal page", "in_person": "in person, recorded by staff"}
    at_most = ""
    if promise.sha256 == told["promise_sha256"]:
        at_most = f" Price: at most {_money(known, promise.cap_minor)}."
    where = how.get(told["method"], told["method"])
    return f"the customer accepted the promise {where}.{at_most} SHA-256 of its text: {told['promise_sha256']}."


def _presented(known: Known, told: _Told) -> str:
    return f"the bill over {_money(known, told['total_minor'])} was presented."


def _chosen(known: Known, told: _Told) -> str:
    return f"the customer said that the outcome was the one that costs {told['tier_percent']} %."


def _split(known: Known, told: _Told) -> str:
    return f"the bill was split: {len(told['shares'])} shares, {_money(known, told['amount_minor'])} together."


def _of_amount(sentence: str) -> Callable[[Known, _Told], str]:
    """A sentence with `{amount}` in it, and whatever else the entry tells."""
    return lambda known, told: sentence.format(**told, amount=_money(known, told["amount_minor"]))


def _contested(known: Known, told: _Told) -> str:
    return f"the customer contested {_money(known, told['contested_minor'])} with the business."


def _resolved(known: Known, told: _Told) -> str:
    return f"the business answered the contest: {told['resolution']}."


def _canceled(known: Known, told: _Told) -> str:
    return f"the booking was canceled by the {told['why'].replace('_', ' ')}."


def _plain(words: str) -> Callable[[Known, _Told], str]:
    return lambda known, told: words


_SENTENCES: Mapping[str, Callable[[Known, _Told], str]] = {
    "opened": _opened,
    "promise_accepted": _accepted,
    "rescheduled": lambda known, told: f"the appointment was moved to {told['starts_at']}.",
    "hold_placed": _of_amount("{amount} was held on the card, not charged (payment {payment_id})."),
    "checked_in": _plain("the customer came and was checked in."),
    "canceled": _canceled,
    "no_show": _plain("the customer had not come, and was marked as absent."),
    "fee_due": _of_amount("the disclosed fee of {amount} became due."),
    "bill_presented": _presented,
    "bill_seen": _plain("the customer opened the bill."),
    "tier_chosen": _chosen,
    "bill_accepted": _plain("the customer accepted the bill."),
    "review_ended": _plain("the time for contesting the bill ended, and no contest of it was open."),
    "split": _split,
    "share_paid": _of_amount("{amount} of a share was paid by a payment of its own."),
    "share_paid_back": _of_amount("{amount} of a share's payment was given or taken back."),
    "share_returned": _of_amount("{amount} of a share was not paid, and was owed on this bill again."),
    "returned_to_parent": _of_amount("{amount} of this share was not paid, and was owed on the bill again."),
    "contested": _contested,
    "contest_resolved": _resolved,
    "bill_adjusted": _of_amount("the bill was lowered by {amount}."),
    "captured": _of_amount("{amount} was taken from the hold (payment {payment_id})."),
    "charged": _of_amount("{amount} was charged to the card (payment {payment_id})."),
    "cash_taken": _of_amount("{amount} was paid in cash (payment {payment_id})."),
    "refunded": _of_amount("{amount} was refunded (payment {payment_id})."),
    "rated": lambda known, told: f"the customer rated the visit {told['rating']} of 5.",
}


def _when(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _money(known: Known, amount_minor: int) -> str:
    return format_amount(amount_minor, known.tab.currency)


def _all(known: Known, kind: str) -> list[Entry]:
    return [entry for entry in known.entries if entry.kind == kind]


def _last(known: Known, kind: str) -> Entry | None:
    return next((entry for entry in reversed(known.entries) if entry.kind == kind), None)


def _seqs(entries: Iterable[Entry]) -> tuple[int, ...]:
    return tuple(entry.seq for entry in entries)


_MAKE: Mapping[TextField, Callable[[Known], PackField | None]] = {
    TextField.CUSTOMER_NAME: lambda known: _of_contact(
        TextField.CUSTOMER_NAME, known.contact.name if known.contact else None
    ),
    TextField.CUSTOMER_EMAIL_ADDRESS: lambda known: _of_contact(
        TextField.CUSTOMER_EMAIL_ADDRESS, known.contact.email if known.contact else None
    ),
    TextField.CUSTOMER_PURCHASE_IP: _ip,
    TextField.PRODUCT_DESCRIPTION: _product,
    TextField.SERVICE_DATE: _service_date,
    TextField.ACCESS_ACTIVITY_LOG: _activity,
    TextField.REFUND_POLICY_DISCLOSURE: _refund_policy,
    TextField.REFUND_REFUSAL_EXPLANATION: _refund_refusal,
    TextField.CANCELLATION_POLICY_DISCLOSURE: _cancellation_policy,
    TextField.CANCELLATION_REBUTTAL: _cancellation_rebuttal,
    TextField.DUPLICATE_CHARGE_EXPLANATION: _duplicate,
    TextField.UNCATEGORIZED_TEXT: _history,
}


# ---- What is missing


def _missing(
    known: Known,
    wanted: frozenset[TextField],
    earlier: Sequence[EarlierPayment],
    files: Mapping[FileField, str],
    own: Mapping[TextField, str],
) -> Iterable[Missing]:
    tab, reason = known.tab, known.dispute.reason
    elsewhere = f" See the tab that was split, {tab.parent.tab_id}." if tab.parent is not None else ""
    if not tab.accepted:
        yield Missing(
            code=Lack.ACCEPTANCE,
            text="The customer never accepted a promise on this tab, so nothing recorded shows what they agreed to. "
            f"A signed offer or an order by mail would.{elsewhere}",
            field=FileField.CUSTOMER_SIGNATURE,
        )
    elif not tab.promise.is_sealed_by_customer:
        yield Missing(
            code=Lack.ACCEPTED_IN_PERSON,
            text="The promise was accepted in person, so there is no address on the network that shows who agreed. "
            "A signature on paper would help.",
            field=FileField.CUSTOMER_SIGNATURE,
        )
    contact = known.contact
    if not (contact and contact.name) and TextField.CUSTOMER_NAME not in own:
        yield Missing(
            code=Lack.NAME,
            text="The customer's name is not known. Add it if you have it.",
            field=TextField.CUSTOMER_NAME,
        )
    if not (contact and contact.email) and TextField.CUSTOMER_EMAIL_ADDRESS not in own:
        yield Missing(
            code=Lack.EMAIL,
            text="The customer's e-mail address is not known. Banks compare it with their own.",
            field=TextField.CUSTOMER_EMAIL_ADDRESS,
        )
    if tab.fee is None and _last(known, "checked_in") is None and FileField.SERVICE_DOCUMENTATION not in files:
        yield Missing(
            code=Lack.SERVICE,
            text="Nobody recorded that the customer came. A work sheet, a photo or the customer's own words show that "
            f"the service was done.{elsewhere}",
            field=FileField.SERVICE_DOCUMENTATION,
        )
    if FileField.RECEIPT not in files:
        yield Missing(code=Lack.RECEIPT, text="No receipt is attached.", field=FileField.RECEIPT)
    if reason == "product_unacceptable" and FileField.CUSTOMER_COMMUNICATION not in files:
        yield Missing(
            code=Lack.COMMUNICATION,
            text="What you and the customer wrote to each other about the quality is not attached.",
            field=FileField.CUSTOMER_COMMUNICATION,
        )
    if not any(_message(delivery) for delivery in known.deliveries):
        yield Missing(code=Lack.MESSAGES, text="No message to the customer is on record as sent.")
    if TextField.DUPLICATE_CHARGE_EXPLANATION in wanted and _duplicate(known) is None:
        yield Missing(
            code=Lack.SECOND_PAYMENT,
            text="This tab has one payment only. If another tab was paid as well, say what each of the two was for.",
            field=TextField.DUPLICATE_CHARGE_EXPLANATION,
        )
    if reason == "fraudulent":
        yield from _missing_of_programme(known, earlier)


def _missing_of_programme(known: Known, earlier: Sequence[EarlierPayment]) -> Iterable[Missing]:
    if len(earlier) < WANTED:
        yield Missing(
            code=Lack.EARLIER_PAYMENTS,
            text=f"{len(earlier)} earlier undisputed payments with this card, 120 to 364 days before this one, are on "
            f"record. With {WANTED}, Visa would have to decide for you if they came from the same address.",
        )
    elif PROGRAM in known.dispute.programs and not any(one.is_used for one in earlier):
        yield Missing(
            code=Lack.SAME_IP,
            text="There are earlier payments with this card, but not two that were accepted from the same address on "
            "the network by a customer with an e-mail address, as Visa's programme wants.",
        )
