'use strict';

// A walk with the client, which its stories share: the client's APIs set up as its users do, and what a refusal says.

const assert = require('node:assert/strict');
const vendor = require('cybersource-rest-client');

// As long as a right one.
const ANOTHER_SECRET = Buffer.from('not the secret, but just as long').toString('base64');

// The client's five APIs. `position` tells walks apart where they share a merchant.
class Walk {
  constructor(order, settings, position) {
    this.order = order;
    this.settings = settings;
    this.position = position;
    this.merchantId = settings.merchantID;
    this.invoices = new vendor.InvoicesApi(settings, new vendor.ApiClient());
    this.invoiceSettings = new vendor.InvoiceSettingsApi(settings, new vendor.ApiClient());
    this.fields = new vendor.MerchantDefinedFieldsApi(settings, new vendor.ApiClient());
    this.newWebhooks = new vendor.CreateNewWebhooksApi(settings, new vendor.ApiClient());
    this.webhooks = new vendor.ManageWebhooksApi(settings, new vendor.ApiClient());
  }

  withSettings(changed) {
    return new Walk(this.order, { ...this.settings, ...changed }, this.position);
  }

  async create(wish = {}) {
    const { data, response } = await done(this.invoices, 'createInvoice', aCreate(wish));
    assert.equal(response.status, 201);
    return data;
  }
}

// Call an operation and wait for what its callback is told.
function told(api, operation, ...given) {
  return new Promise((resolve) => {
    api[operation](...given, (error, data, response) => resolve({ error, data, response }));
  });
}

async function done(api, operation, ...given) {
  const answer = await told(api, operation, ...given);
  if (answer.error) {
    const text = answer.error.response ? answer.error.response.text : '';
    throw new Error(`${operation} failed with ${answer.error.status || answer.error}: ${text}`);
  }
  return answer;
}

// Expect the client to report an error with that status, and return what the server said.
async function refused(status, api, operation, ...given) {
  const { error, response } = await told(api, operation, ...given);
  assert.ok(error, `${operation} was not refused`);
  assert.equal(error.status, status, error.response && error.response.text);
  assert.ok(response.header['v-c-correlation-id'], 'no correlation id');
  return JSON.parse(error.response.text);
}

function aCreate({ send = false, mode = 'none', number } = {}) {
  const request = new vendor.CreateInvoiceRequest();
  const customer = new vendor.Invoicingv2invoicesCustomerInformation();
  customer.name = 'Tanya Lee';
  customer.email = 'tanya.lee@my-email.world';
  request.customerInformation = customer;
  const information = new vendor.Invoicingv2invoicesInvoiceInformation();
  if (number !== undefined) information.invoiceNumber = number;
  information.description = 'This is a test invoice';
  information.dueDate = '2019-07-11';
  information.sendImmediately = send;
  information.allowPartialPayments = true;
  information.deliveryMode = mode;
  request.invoiceInformation = information;
  request.orderInformation = anOrder();
  return request;
}

// Strings and numbers mixed, as in the vendor's samples.
function anOrder() {
  const order = new vendor.Invoicingv2invoicesOrderInformation();
  const amounts = new vendor.Invoicingv2invoicesOrderInformationAmountDetails();
  amounts.totalAmount = '2623.64';
  amounts.currency = 'USD';
  amounts.discountAmount = '126.08';
  amounts.discountPercent = 5.0;
  amounts.subAmount = 2749.72;
  amounts.minimumPartialAmount = 20.0;
  const tax = new vendor.Invoicingv2invoicesOrderInformationAmountDetailsTaxDetails();
  tax.type = 'State Tax';
  tax.amount = '208.00';
  tax.rate = '8.25';
  amounts.taxDetails = tax;
  const freight = new vendor.Invoicingv2invoicesOrderInformationAmountDetailsFreight();
  freight.amount = '20.00';
  freight.taxable = true;
  amounts.freight = freight;
  order.amountDetails = amounts;
  const item = new vendor.Invoicingv2invoicesOrderInformationLineItems();
  item.productSku = 'P653727383';
  item.productName = "First line item's name";
  item.quantity = 21;
  item.unitPrice = '120.08';
  order.lineItems = [item];
  return order;
}

module.exports = { ANOTHER_SECRET, Walk, aCreate, anOrder, done, refused, told };
