// Plays a walk-in and an appointment with openapi-fetch, through the types that openapi-typescript has made.
import createClient from 'openapi-fetch';
import type { components, paths } from './made/openapi-typescript/schema';
import { check, confirm, key, later, settings, sleep, type Payment } from './phone';

type Tab = components['schemas']['TabView'];
type Problem = components['schemas']['Problem'];

const client = (token: string) =>
    createClient<paths>({ baseUrl: settings.API_URL, headers: { Authorization: `Bearer ${token}` } });
const staff = client(settings.STAFF_TOKEN);
const customer = client(settings.CUSTOMER_TOKEN);

const to = (tab_id: string) => ({ path: { tab_id }, header: { 'Idempotency-Key': key() } });

function tabOf(answer: { data?: Tab; error?: Problem }): Tab {
    if (answer.data === undefined) {
        throw new Error(`${answer.error?.code}: ${answer.error?.detail}`);
    }
    return answer.data;
}

async function wait(tab: Tab, ready: (tab: Tab) => boolean): Promise<Tab> {
    let tag = '';
    for (const deadline = later(); !ready(tab); ) {
        const params = { path: { tab_id: tab.tab_id }, header: { 'If-None-Match': tag } };
        const answer = await staff.GET('/v1/tabs/{tab_id}', { params });
        if (answer.response.status === 304) {
            await sleep(deadline);
            continue;
        }
        tab = tabOf(answer);
        tag = answer.response.headers.get('etag') ?? '';
    }
    return tab;
}

const pay = async (tab: Tab): Promise<void> => {
    check(tab.payment !== null, 'something waits for the customer');
    await confirm(tab.payment satisfies Payment);
};

async function walkIn(): Promise<void> {
    const body = { customer_id: settings.CUSTOMER_ID, title: 'Table 4', expected_outcome: 'Breakfast', estimate_minor: 600, cap_minor: 900 };
    let tab = tabOf(await staff.POST('/v1/tabs', { params: { header: { 'Idempotency-Key': key() } }, body }));
    const id = tab.tab_id;
    tabOf(await customer.POST('/v1/tabs/{tab_id}/accept_promise', { params: to(id), body: { promise_sha256: tab.promise.promise_sha256, consents: ['cap'] } }));
    tabOf(await staff.POST('/v1/tabs/{tab_id}/items', { params: to(id), body: { items: [{ description: 'Flat white', unit_price_minor: 650 }] } }));
    tabOf(await staff.POST('/v1/tabs/{tab_id}/complete', { params: to(id), body: {} }));
    tab = tabOf(await customer.POST('/v1/tabs/{tab_id}/charges', { params: to(id), body: { mode: 'on_session', tip_minor: 50 } }));
    await pay(tab);
    tab = await wait(tab, (tab) => tab.status === 'closed');
    check(tab.payment_state === 'paid' && tab.paid_minor === 700, 'all of it is paid');

    const again = await customer.POST('/v1/tabs/{tab_id}/charges', { params: to(id), body: { mode: 'on_session' } });
    check(again.error?.code === 'transition_refused', 'a closed tab takes no more');
}

async function appointment(): Promise<void> {
    const body = {
        customer_id: settings.CUSTOMER_ID,
        title: 'Colour and cut',
        expected_outcome: 'The colour we agreed on',
        estimate_minor: 7500,
        cap_minor: 9500,
        deposit_minor: 2000,
        no_show_fee_minor: 2000,
        starts_at: settings.STARTS_AT,
    };
    let tab = tabOf(await staff.POST('/v1/tabs', { params: { header: { 'Idempotency-Key': key() } }, body }));
    const id = tab.tab_id;
    const promise: components['schemas']['AcceptPromise'] = {
        promise_sha256: tab.promise.promise_sha256,
        consents: ['cap', 'deposit_and_fees', 'automatic_charge', 'capture_before_expiry', 'card_on_file'],
        card_terms_sha256: settings.CARD_TERMS,
    };
    tab = tabOf(await customer.POST('/v1/tabs/{tab_id}/accept_promise', { params: to(id), body: promise }));
    await pay(tab);
    tab = await wait(tab, (tab) => tab.deposit.state === 'held');
    await settings.advance(7200);
    tabOf(await staff.POST('/v1/tabs/{tab_id}/check_in', { params: to(id), body: {} }));
    tabOf(await staff.POST('/v1/tabs/{tab_id}/items', { params: to(id), body: { items: [{ description: 'Colour and cut', unit_price_minor: 7500 }] } }));
    tabOf(await staff.POST('/v1/tabs/{tab_id}/complete', { params: to(id), body: {} }));
    tab = tabOf(await customer.POST('/v1/tabs/{tab_id}/accept_bill', { params: to(id), body: {} }));
    tab = await wait(tab, (tab) => tab.status === 'closed');
    check(tab.legs.map((leg) => leg.amount_minor).join() === '2000,5500', 'the hold first, then the card');
}

await walkIn();
await appointment();
