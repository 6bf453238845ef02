"""The store of visits in DynamoDB: a customer's visits are one partition, a merchant's are found by an index."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from chalicelib.adapters.dynamodb import cursors, items, table
from chalicelib.adapters.dynamodb.reads import OnTable, flat
from chalicelib.adapters.dynamodb.writes import ABSENT, Put, reading
from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.trust.visit import Visit
from chalicelib.ports.store import Page

if TYPE_CHECKING:
    from chalicelib.domain.parties import Customer
    from chalicelib.domain.trust.figures import Figures
    from chalicelib.ports.visits import VisitKey

VISITS_A_PAGE = 500
"""Of one customer: some 0.4 MB, which nearly everybody's fit into."""


class DynamoDbVisits(OnTable):
    """Implements ports.visits.Visits."""

    def find_visits(self, keys: Collection[VisitKey]) -> Mapping[VisitKey, Visit]:
        wanted = {key: table.visit_key(*key) for key in dict.fromkeys(keys) if all(map(table.is_id, key))}
        there = self._reads.find_all(list(wanted.values()))
        return {key: items.contents(Visit, there[flat(at)]) for key, at in wanted.items() if flat(at) in there}

    def put_visit(self, visit: Visit, before: Visit | None) -> None:
        item = items.visit_item(visit)
        if before is None:
            put = Put(item, ABSENT)
        else:
            put = Put(item, "seq = :before", {":before": {"N": str(before.seq)}})
        self._put_alone(put, visit.tab_id)

    def find_unlinked(self, merchant_id: str, customer_id: str, fingerprint: str) -> Customer | None:
        customer_key = table.customer_key(merchant_id, customer_id)
        card_key = table.card_key(merchant_id, fingerprint, customer_id)
        found = self._reads.find_all([customer_key, card_key])
        if flat(customer_key) not in found or items.is_linked(found.get(flat(card_key), {})):
            return None
        return items.customer_of(found[flat(customer_key)])

    def note_card(self, merchant_id: str, customer_id: str, fingerprint: str, *, limit: int) -> Sequence[str]:
        item = items.card_item(merchant_id, fingerprint, customer_id)
        with reading():
            self._client.put_item(TableName=self._table_name, Item=item)
        return self._reads.others(item["pk"]["S"], customer_id, limit=limit)

    def note_linked(self, merchant_id: str, customer_id: str, fingerprint: str) -> None:
        item = items.card_item(merchant_id, fingerprint, customer_id, linked=True)
        with reading():
            self._client.put_item(TableName=self._table_name, Item=item)

    def list_visits_by_customer(self, merchant_id: str, customer_id: str, since: datetime) -> Sequence[Visit]:
        if not (table.is_id(merchant_id) and table.is_id(customer_id)):
            return ()
        # Ids sort by when they were made, which is not the business's time on every stack: the visits say when. They
        # are made in the order of time all the same, so that behind a whole page that is too old there is nothing new.
        pk = table.visit_key(merchant_id, customer_id, "")["pk"]
        recent: list[tuple[datetime, Visit]] = []
        for page in self._reads.partition_pages(pk, ConsistentRead=True, ScanIndexForward=False, Limit=VISITS_A_PAGE):
            visits = [items.contents(Visit, item) for item in page]
            within = [(visit.opened_at, visit) for visit in visits if visit.opened_at and visit.opened_at >= since]
            if not within:
                break
            recent += within
        return [visit for _, visit in sorted(recent, key=lambda pair: (pair[0], pair[1].tab_id))]

    def list_visits_by_merchant(
        self, merchant_id: str, since: datetime, until: datetime, *, limit: int, cursor: str | None
    ) -> Page[Visit]:
        if not table.is_id(merchant_id):
            return Page(items=(), next_cursor=None)
        partition = table.visits_partition(merchant_id)
        start = None
        if cursor is not None:
            position = cursors.decode(partition, cursor)
            _, customer_id, tab_id = (*position.split("#"), "", "")[:3]
            if not (table.is_id(customer_id) and table.is_id(tab_id)):
                raise InvalidInput("The cursor does not belong to this listing. Start again without it.")
            key = table.visit_key(merchant_id, customer_id, tab_id)
            start = key | {"gm_pk": {"S": partition}, "gm_sk": {"S": position}}
        found, has_more = self._reads.page(
            limit,
            start,
            IndexName="by_merchant",
            KeyConditionExpression="gm_pk = :partition AND gm_sk BETWEEN :since AND :until",
            ExpressionAttributeValues={
                ":partition": {"S": partition},
                ":since": {"S": table.instant(since)},
                # What was opened at that very instant has more behind it, and `~` is above all of that.
                ":until": {"S": f"{table.instant(until)}~"},
            },
        )
        # The index has the keys alone, so that an entry's fold need not write it, too.
        return Page(
            items=tuple(items.contents(Visit, item) for item in self._reads.find_listed(found)),
            next_cursor=cursors.encode(partition, found[-1]["gm_sk"]["S"]) if has_more else None,
        )

    def find_figures(self, merchant_id: str) -> Figures | None:
        if not table.is_id(merchant_id):
            return None
        key = table.figures_key(merchant_id)
        found = self._reads.find_all([key]).get(flat(key))
        return items.figures_of(found) if found else None

    def put_figures(self, figures: Figures) -> None:
        with reading():
            self._client.put_item(TableName=self._table_name, Item=items.figures_item(figures))
