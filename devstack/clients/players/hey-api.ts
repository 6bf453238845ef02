// Plays a walk-in and an appointment through the client that @hey-api/openapi-ts has made, as an app would.
import { createClient, createConfig } from './made/hey-api/client';
import * as api from './made/hey-api';
import { check, confirm, key, later, settings, sleep, type Payment } from './phone';

const client = (token: string) => createClient(createConfig({ baseUrl: settings.API_URL, auth: token }));
const staff = client(settings.STAFF_TOKEN);
const customer = client(settings.CUSTOMER_TOKEN);

const once = () => ({ 'Idempotency-Key': key() });

function tabOf(answer: { data?: api.TabView; error?: api.Problem }): api.TabView {
    if (answer.data === undefined) {
        throw new Error(`${answer.error?.code}: ${answer.error?.detail}`);
    }
    return answer.data;
}

async function wait(tab: api.TabView, ready: (tab: api.TabView) => boolean): Promise<api.TabView> {
    let tag = '';
    for (const deadline = later(); !ready(tab); ) {
        const answer = await api.getTab({ client: staff, path: { tab_id: tab.tab_id }, headers: { 'If-None-Match': tag } });
        if (answer.response?.status === 304) {
            await sleep(deadline);
            continue;
        }
        tab = tabOf(answer);
        tag = answer.response?.headers.get('etag') ?? '';
    }
    return tab;
}

const pay = async (tab: api.TabView): Promise<void> => {
    check(tab.payment !== null, 'something waits for the customer');
    await confirm(tab.payment satisfies Payment);
};

async function walkIn(): Promise<void> {
    let tab = tabOf(
        await api.openTab({
            client: staff,
            headers: once(),
            body: { customer_id: settings.CUSTOMER_ID, title: 'Table 4', expected_outcome: 'Breakfast', estimate_minor: 600, cap_minor: 900 },
        }),
    );
    const path = { tab_id: tab.tab_id };
    tabOf(await api.acceptPromise({ client: customer, path, headers: once(), body: { promise_sha256: tab.promise.promise_sha256, consents: ['cap'] } }));
    tabOf(await api.addItems({ client: staff, path, headers: once(), body: { items: [{ description: 'Flat white', unit_price_minor: 650 }] } }));
    tabOf(await api.complete({ client: staff, path, headers: once(), body: {} }));
    tab = tabOf(await api.charge({ client: customer, path, headers: once(), body: { mode: 'on_session', tip_minor: 50 } }));
    await pay(tab);
    tab = await wait(tab, (tab) => tab.status === 'closed');
    check(tab.payment_state === 'paid' && tab.paid_minor === 700, 'all of it is paid');

    const again = await api.charge({ client: customer, path, headers: once(), body: { mode: 'on_session' } });
    check(again.error?.code === 'transition_refused', 'a closed tab takes no more');
}

async function appointment(): Promise<void> {
    let tab = tabOf(
        await api.openTab({
            client: staff,
            headers: once(),
            body: {
                customer_id: settings.CUSTOMER_ID,
                title: 'Colour and cut',
                expected_outcome: 'The colour we agreed on',
                estimate_minor: 7500,
                cap_minor: 9500,
                deposit_minor: 2000,
                no_show_fee_minor: 2000,
                starts_at: settings.STARTS_AT,
            },
        }),
    );
    const path = { tab_id: tab.tab_id };
    const body: api.AcceptPromise = {
        promise_sha256: tab.promise.promise_sha256,
        consents: ['cap', 'deposit_and_fees', 'automatic_charge', 'capture_before_expiry', 'card_on_file'],
        card_terms_sha256: settings.CARD_TERMS,
    };
    tab = tabOf(await api.acceptPromise({ client: customer, path, headers: once(), body }));
    await pay(tab);
    tab = await wait(tab, (tab) => tab.deposit.state === 'held');
    await settings.advance(7200);
    tabOf(await api.checkIn({ client: staff, path, headers: once(), body: {} }));
    tabOf(await api.addItems({ client: staff, path, headers: once(), body: { items: [{ description: 'Colour and cut', unit_price_minor: 7500 }] } }));
    tabOf(await api.complete({ client: staff, path, headers: once(), body: {} }));
    tab = tabOf(await api.acceptBill({ client: customer, path, headers: once(), body: {} }));
    tab = await wait(tab, (tab) => tab.status === 'closed');
    check(tab.legs.map((leg) => leg.amount_minor).join() === '2000,5500', 'the hold first, then the card');
}

await walkIn();
await appointment();
