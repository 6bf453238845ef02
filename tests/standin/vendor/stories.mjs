// The walk-in and the appointment, told by Stripe's own library for Node: node stories.mjs ADDRESS FOLDER_OF_STRIPE
import {createServer} from 'node:http';
import {once} from 'node:events';
import {createRequire} from 'node:module';
import {join} from 'node:path';

const [address, folder] = process.argv.slice(2);
const Stripe = createRequire(join(folder, 'x.js'))('stripe');
const {hostname, port} = new URL(address);
const stripe = new Stripe('sk_test_vendor', {host: hostname, port: Number(port), protocol: 'http', telemetry: false});

// What our own server would be told, its signatures checked by the library.
const told = [];
let secret;
const hook = createServer((request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    const event = stripe.webhooks.constructEvent(Buffer.concat(chunks), request.headers['stripe-signature'], secret);
    told.push([event.type, event.api_version]);
    response.end();
  });
}).listen(0, '127.0.0.1');
await once(hook, 'listening');
const endpoint = await stripe.webhookEndpoints.create({
  url: `http://127.0.0.1:${hook.address().port}/hook`,
  enabled_events: ['payment_intent.succeeded', 'setup_intent.succeeded', 'payment_intent.canceled'],
  api_version: stripe.getApiField('version'),
});
secret = endpoint.secret;

const cards = {allowed_payment_method_types: ['card']};

// A walk-in pays after the cut; a bank says no first.
const walkIn = await stripe.paymentIntents.create({amount: 2400, currency: 'eur', metadata: {tab: 'walk-in'}, ...cards});
let declined;
try {
  await stripe.paymentIntents.confirm(walkIn.id, {payment_method: 'pm_card_chargeDeclined'});
} catch (error) {
  declined = [error.type, error.code, error.payment_intent.status];
}
const paid = await stripe.paymentIntents.confirm(
  walkIn.id,
  {payment_method: 'pm_card_visa', expand: ['latest_charge.balance_transaction']},
  {idempotencyKey: 'walk-in'},
);

// An appointment: the card is saved, a deposit is held, part of it is taken, the rest is charged off-session.
const customer = await stripe.customers.create({name: 'Ada', email: 'ada@example.com'});
const setup = await stripe.setupIntents.create({
  customer: customer.id, payment_method: 'pm_card_visa', usage: 'off_session', confirm: true, ...cards,
});
const off = {customer: customer.id, payment_method: setup.payment_method, off_session: true, confirm: true, ...cards};
const hold = await stripe.paymentIntents.create({amount: 5000, currency: 'eur', capture_method: 'manual', ...off});
const captured = await stripe.paymentIntents.capture(hold.id, {amount_to_capture: 3000});
const rest = await stripe.paymentIntents.create({amount: 1200, currency: 'eur', ...off});
const other = await stripe.paymentIntents.create({amount: 5000, currency: 'eur', capture_method: 'manual', ...off});
const released = await stripe.paymentIntents.cancel(other.id, {cancellation_reason: 'requested_by_customer'});
const refund = await stripe.refunds.create({payment_intent: rest.id, amount: 200});

const listed = [];
for await (const intent of stripe.paymentIntents.list({customer: customer.id, limit: 1})) {
  listed.push(intent.amount);
}
await fetch(`${address}/_control/webhooks/drain`, {method: 'POST', body: '{}'});
hook.close();
console.log(JSON.stringify({
  version: paid.lastResponse.apiVersion,
  walk_in: [declined, paid.status, paid.latest_charge.balance_transaction.net],
  appointment: [setup.status, hold.status, captured.amount_received, rest.status, released.status, refund.status],
  listed,
  told: told.sort(),
}));
