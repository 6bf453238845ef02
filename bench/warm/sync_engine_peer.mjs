// @supabase/stripe-sync-engine on PostgreSQL: upserts the payment's row, without dedupe, ledger or transaction. Commands as
// in ours.py. Arguments: the folder with node_modules, the folder of PostgreSQL's socket, the event's file.
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const [modules, socket, file] = process.argv.slice(2);
const { StripeSync, runMigrations } = createRequire(`${modules}/`)("@supabase/stripe-sync-engine");
const secret = "whsec_bench";
const databaseUrl = `postgresql://postgres@/sync?host=${encodeURIComponent(socket)}`;
const template = JSON.parse(readFileSync(file, "utf8"));
let number = 0;

function delivery() {
  const payload = Buffer.from(JSON.stringify({ ...template, id: `evt_sync${number++}` }));
  const now = Math.floor(Date.now() / 1000);
  const signed = createHmac("sha256", secret).update(`${now}.`).update(payload).digest("hex");
  return [payload, `t=${now},v1=${signed}`];
}

await runMigrations({ databaseUrl, schema: "stripe", logger: { info() {}, error: console.error } });
const sync = new StripeSync({
  poolConfig: { connectionString: databaseUrl, max: 1 },
  schema: "stripe",
  stripeSecretKey: "sk_test_" + "b".repeat(24),
  stripeWebhookSecret: secret,
  backfillRelatedEntities: false,
});
await sync.processWebhook(...delivery());
process.stdout.write(JSON.stringify(["webhook"]) + "\n");
for await (const line of createInterface({ input: process.stdin })) {
  const deliveries = Array.from({ length: Number(line.split(" ").at(-1)) }, delivery);
  const began = process.cpuUsage();
  for (const each of deliveries) await sync.processWebhook(...each);
  const { user, system } = process.cpuUsage(began);
  process.stdout.write(JSON.stringify((user + system) / 1e6) + "\n");
}
process.exit(0);
