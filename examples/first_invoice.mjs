// The same with the official Node client, which needs one setting to call Paydue:
//
//     npm install --no-save --prefix examples cybersource-rest-client

import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import vendor from 'cybersource-rest-client';

const ready = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const settings = {
  authenticationType: 'http_signature',
  merchantID: ready.merchant_id,
  merchantKeyId: ready.key_id,
  merchantsecretKey: ready.shared_secret,
  runEnvironment: 'apitest.cybersource.com',
  // The one line that makes the client call Paydue instead of the vendor.
  intermediateHost: ready.api_url,
  // The client does not start without it.
  logConfiguration: { enableLog: false },
};
if (process.argv.includes('tls')) {
  // Or over TLS, with the demo's authority.
  delete settings.intermediateHost;
  settings.runEnvironment = ready.tls_url.replace('https://', '');
  settings.sslCaCert = ready.ca_file;
}
const invoices = new vendor.InvoicesApi(settings, new vendor.ApiClient());
const call = (operation, ...values) => promisify(invoices[operation].bind(invoices))(...values);

const draft = await call('createInvoice', {
  customerInformation: { name: 'Tanya Lee', email: 'tanya.lee@example.com' },
  invoiceInformation: { description: 'Consulting in June', dueDate: '2026-12-31', deliveryMode: 'email' },
  orderInformation: { amountDetails: { totalAmount: '293.50', currency: 'USD' } },
});
console.log('created ', draft.id, draft.status);

const sent = await call('performSendAction', draft.id);
console.log('sent    ', sent.id, sent.status);
console.log('open    ', sent.invoiceInformation.paymentLink);

// Recording a payment is ours, so the client has no method for it; it signs the call all the same.
const payment = { amount: '293.50', method: 'bank transfer', reference: 'TR-2026-0001' };
const paid = await promisify(invoices.apiClient.callApi.bind(invoices.apiClient))(
  `/paydue/v1/invoices/${draft.id}/payments`, 'POST', {}, {}, {}, {}, payment,
  [], ['application/json'], ['application/json'], vendor.InvoicingV2InvoicesGet200Response, false,
);
console.log('paid    ', paid.id, paid.status);

const newest = await call('getAllInvoices', 0, 5, {});
console.log('listed  ', ...newest.invoices.map((invoice) => `${invoice.id} ${invoice.status}`));

// The client keeps its connections open for the next call, which would keep this process as well.
process.exit(0);
