import { useEffect, useState } from "react";

// The address is /bill.html#<tab id>.<secret>, so that the secret reaches no server but the API.
const [tabId, secret] = location.hash.slice(1).split(".");
const money = new Intl.NumberFormat("en", { style: "currency", currency: "EUR" });

export default function App() {
  const [tab, setTab] = useState(null);

  useEffect(() => {
    fetch(`/v1/tabs/${tabId}`, { headers: { Authorization: `Bearer ${secret}` } })
      .then((answer) => answer.json())
      .then(setTab);
  }, []);

  if (!tab) return <p>Loading…</p>;
  return (
    <main>
      <h1>{tab.title}</h1>
      <p className="figure">{money.format(tab.balance_minor / 100)}</p>
      <table>
        <tbody>
          {tab.items.map((item) => (
            <tr key={item.item_id}>
              <th>{item.description}</th>
              <td>{money.format(item.amount_minor / 100)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <button>Pay</button>
      <button>Something is wrong</button>
    </main>
  );
}
