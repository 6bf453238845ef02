// What both players need beside their clients: settings, and the customer's phone with Stripe's SDK on it.
declare const process: { env: Record<string, string | undefined> };

const env = (name: string): string => {
    const value = process.env[name];
    check(value !== undefined, `${name} is set`);
    return value;
};

export const settings = {
    API_URL: env('API_URL'),
    STAFF_TOKEN: env('STAFF_TOKEN'),
    CUSTOMER_TOKEN: env('CUSTOMER_TOKEN'),
    CUSTOMER_ID: env('CUSTOMER_ID'),
    STARTS_AT: env('STARTS_AT'),
    CARD_TERMS: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
    async advance(seconds: number): Promise<void> {
        const headers = { 'Content-Type': 'application/json' };
        const body = JSON.stringify({ advance_seconds: seconds });
        check((await fetch(`${env('STRIPE_URL')}/_control/clock`, { method: 'POST', headers, body })).ok, 'the clock moves');
    },
};

export interface Payment {
    payment_id: string | null;
    client_secret: string | null;
    publishable_key: string | null;
}

export async function confirm(payment: Payment): Promise<void> {
    const body = new URLSearchParams({ client_secret: payment.client_secret ?? '', payment_method: 'pm_card_visa' });
    const answer = await fetch(`${env('STRIPE_URL')}/v1/payment_intents/${payment.payment_id}/confirm`, {
        method: 'POST',
        headers: { Authorization: `Bearer ${payment.publishable_key}` },
        body,
    });
    check(answer.ok, 'the payment is confirmed');
}

export function check(holds: boolean, what: string): asserts holds {
    if (!holds) {
        throw new Error(`not so: ${what}`);
    }
}

export const key = (): string => crypto.randomUUID();

export const later = (): number => Date.now() + 30_000;

export async function sleep(deadline: number): Promise<void> {
    check(Date.now() < deadline, 'it comes in time');
    await new Promise((resolve) => setTimeout(resolve, 100));
}
