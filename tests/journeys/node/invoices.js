'use strict';

// What the client's users do with invoices, their settings and their own fields.

const assert = require('node:assert/strict');
const zlib = require('node:zlib');
const vendor = require('cybersource-rest-client');
const { ANOTHER_SECRET, aCreate, anOrder, done, refused } = require('./walking.js');

// Every step is one story and begins with nothing but what it makes itself.
module.exports = {
  async a_draft_is_created_with_all_that_the_samples_send(walk) {
    const invoice = await walk.create();
    assert.equal(invoice.status, 'DRAFT');
    assert.equal(invoice.invoiceInformation.deliveryMode, 'None');
    assert.equal(invoice.invoiceInformation.allowPartialPayments, true);
    assert.equal(invoice.customerInformation.email, 'tanya.lee@my-email.world');
    const amounts = invoice.orderInformation.amountDetails;
    assert.deepEqual(
      [amounts.totalAmount, amounts.discountPercent, amounts.minimumPartialAmount, amounts.taxDetails.amount],
      ['2623.64', '5', '20', '208'],
    );
    const [item] = invoice.orderInformation.lineItems;
    assert.deepEqual(
      [item.productSku, item.quantity, item.unitPrice, item.totalAmount],
      ['P653727383', 21, '120.08', '2521.68'],
    );
    assert.equal(invoice._links.self.href, `/v2/invoices/${invoice.id}`);
  },

  async an_invoice_is_created_and_sent_at_once(walk) {
    const invoice = await walk.create({ send: true, mode: 'email' });
    assert.equal(invoice.status, 'SENT');
    assert.match(invoice.invoiceInformation.paymentLink, /\/ebc2\/invoicing\/payInvoice\/[A-Za-z0-9]{64}\?version=v2\.1$/);
  },

  async an_invoice_is_created_without_sending_it(walk) {
    const invoice = await walk.create({ send: true });
    assert.equal(invoice.status, 'CREATED');
    assert.ok(invoice.invoiceInformation.paymentLink);
  },

  async an_own_number_can_be_given_once(walk) {
    const number = `A123-${walk.position}`;
    assert.equal((await walk.create({ number })).id, number);
    const refusal = await refused(400, walk.invoices, 'createInvoice', aCreate({ number }));
    assert.equal(refusal.reason, 'DUPLICATE_RECORD');
  },

  async details_tell_the_history(walk) {
    const created = await walk.create({ send: true, mode: 'email' });
    const { data, response } = await done(walk.invoices, 'getInvoice', created.id);
    assert.equal(response.status, 200);
    assert.equal(data.status, 'SENT');
    assert.deepEqual(data.invoiceHistory.map((entry) => entry.event), ['SEND', 'DRAFT']);
    for (const entry of data.invoiceHistory) {
      assert.ok(Math.abs(Date.now() - new Date(entry.date).getTime()) < 60_000, String(entry.date));
    }
  },

  async an_update_replaces_the_terms(walk) {
    const created = await walk.create();
    const { data, response } = await done(walk.invoices, 'updateInvoice', created.id, anUpdate());
    assert.equal(response.status, 200);
    assert.equal(data.status, 'DRAFT');
    assert.equal(data.customerInformation.name, 'New Customer Name');
    assert.equal(data.invoiceInformation.description, 'This is after updating invoice');
  },

  async sending_follows_the_delivery_mode(walk) {
    for (const [mode, status] of [['none', 'CREATED'], ['email', 'SENT']]) {
      const created = await walk.create({ mode });
      const { data, response } = await done(walk.invoices, 'performSendAction', created.id);
      assert.deepEqual([response.status, data.status], [200, status]);
    }
  },

  async publishing_makes_a_draft_payable_once(walk) {
    const created = await walk.create({ mode: 'email' });
    const { data } = await done(walk.invoices, 'performPublishAction', created.id);
    assert.equal(data.status, 'CREATED');
    const refusal = await refused(400, walk.invoices, 'performPublishAction', created.id);
    assert.equal(refusal.reason, 'ACTION_NOT_ALLOWED');
  },

  async canceling_ends_it(walk) {
    const created = await walk.create({ send: true });
    const { data } = await done(walk.invoices, 'performCancelAction', created.id);
    assert.equal(data.status, 'CANCELED');
    assert.equal(data.invoiceInformation.paymentLink, undefined);
    for (const call of [['performCancelAction', created.id], ['updateInvoice', created.id, anUpdate()]]) {
      assert.equal((await refused(400, walk.invoices, ...call)).reason, 'ACTION_NOT_ALLOWED');
    }
  },

  async a_list_is_paged_and_filtered(walk) {
    const created = [];
    for (let each = 0; each < 3; each += 1) created.push((await walk.create()).id);
    const first = (await done(walk.invoices, 'getAllInvoices', 0, 2, [])).data;
    assert.deepEqual(first.invoices.map((invoice) => invoice.id), [created[2], created[1]]);
    assert.equal(first.invoices[0].orderInformation.amountDetails.totalAmount, '2623.64');
    const second = (await done(walk.invoices, 'getAllInvoices', 2, 1, {})).data;
    assert.deepEqual(second.invoices.map((invoice) => invoice.id), [created[0]]);
    const drafts = (await done(walk.invoices, 'getAllInvoices', 0, 1000, { status: 'DRAFT' })).data;
    assert.ok(created.every((id) => drafts.invoices.some((invoice) => invoice.id === id)));
    assert.ok(drafts.invoices.every((invoice) => invoice.status === 'DRAFT'));
    const refusal = await refused(400, walk.invoices, 'getAllInvoices', 0, 1001, {});
    assert.deepEqual(refusal.details.map((detail) => detail.field), ['limit']);
  },

  async settings_of_27_kilobytes_are_kept_and_read_back(walk) {
    const request = new vendor.InvoiceSettingsRequest();
    const information = new vendor.Invoicingv2invoiceSettingsInvoiceSettingsInformation();
    information.merchantLogo = aLogo();
    information.merchantDisplayName = 'Custom Merchant Display Name';
    information.customEmailMessage = 'Custom merchant email message';
    information.enableReminders = true;
    const style = new vendor.InvoicingV2InvoiceSettingsGet200ResponseInvoiceSettingsInformationHeaderStyle();
    style.fontColor = '#000001';
    style.backgroundColor = '#FFFFFF';
    information.headerStyle = style;
    information.deliveryLanguage = 'en-US';
    information.defaultCurrencyCode = 'USD';
    information.payerAuthenticationInInvoicing = 'enable';
    information.showVatNumber = false;
    information.vatRegistrationNumber = 'Inv1234';
    request.invoiceSettingsInformation = information;
    assert.ok(JSON.stringify(request).length > 25_000);
    for (const call of [['updateInvoiceSettings', request, {}], ['getInvoiceSettings', { productType: 'INVOICING' }]]) {
      const { data, response } = await done(walk.invoiceSettings, ...call);
      assert.equal(response.status, 200);
      const kept = data.invoiceSettingsInformation;
      assert.equal(kept.merchantDisplayName, 'Custom Merchant Display Name');
      assert.ok(kept.merchantLogo.startsWith('data:image/png;base64,'));
      assert.equal(kept.headerStyle.fontColor, '#000001');
      assert.deepEqual([kept.enableReminders, kept.email, kept.payerAuthentication3DSVersion], [true, true, true]);
      assert.ok(data.merchantInformation.name);
    }
    const other = (await done(walk.invoiceSettings, 'getInvoiceSettings', { productType: 'PAYBYLINK' })).data;
    assert.equal(other.invoiceSettingsInformation.merchantLogo, undefined);
  },

  async own_fields_are_defined_used_replaced_and_deleted(walk) {
    const index = walk.position + 1;
    const text = Object.assign(new vendor.MerchantDefinedFieldDefinitionRequest(), {
      fieldType: 'Text', label: 'Order reference', textMaxLength: 12, merchantDefinedDataIndex: index,
    });
    const created = await done(walk.fields, 'createMerchantDefinedFieldDefinition', 'Invoice', text);
    assert.equal(created.response.status, 201);
    const [defined] = created.data;
    assert.deepEqual([defined.label, defined.textMaxLength, defined.referenceType], ['Order reference', 12, 'Invoice']);
    const refusal = await refused(409, walk.fields, 'createMerchantDefinedFieldDefinition', 'Invoice', text);
    assert.equal(refusal.status, 409);
    const listed = await done(walk.fields, 'getMerchantDefinedFieldsDefinitions', 'Invoice');
    assert.ok(listed.data.some((each) => each.id === defined.id));

    const request = aCreate();
    const value = new vendor.Invoicingv2invoicesMerchantDefinedFieldValues();
    value.definitionId = defined.id;
    value.value = 'PO-1';
    request.merchantDefinedFieldValues = [value];
    const invoice = (await done(walk.invoices, 'createInvoice', request)).data;
    const [kept] = invoice.merchantDefinedFieldValuesWithDefinition;
    assert.deepEqual([kept.label, kept.value, kept.position], ['Order reference', 'PO-1', 0]);

    const core = Object.assign(new vendor.MerchantDefinedFieldCore(), {
      fieldType: 'Text', label: 'Purchase order', textMaxLength: 20, merchantDefinedDataIndex: index,
    });
    const replaced = await done(walk.fields, 'putMerchantDefinedFieldsDefinitions', 'Invoice', defined.id, core);
    assert.deepEqual([replaced.response.status, replaced.data[0].label], [200, 'Purchase order']);
    const deleted = await done(walk.fields, 'deleteMerchantDefinedFieldsDefinitions', 'Invoice', defined.id);
    assert.equal(deleted.response.status, 204);
    await refused(404, walk.fields, 'deleteMerchantDefinedFieldsDefinitions', 'Invoice', defined.id);
  },

  async an_unknown_invoice_is_404_everywhere(walk) {
    for (const call of ['getInvoice', 'performSendAction', 'performPublishAction', 'performCancelAction']) {
      const refusal = await refused(404, walk.invoices, call, 'none-of-that-number');
      assert.deepEqual([refusal.status, refusal.reason], ['NOTFOUND', 'NOT_FOUND']);
    }
    await refused(404, walk.invoices, 'updateInvoice', 'none-of-that-number', anUpdate());
  },

  async every_wrong_field_is_named(walk) {
    const request = aCreate({ mode: 'email' });
    request.customerInformation.email = 'not an address';
    request.invoiceInformation.dueDate = '11/07/2019';
    request.orderInformation.amountDetails.totalAmount = '-1';
    request.orderInformation.lineItems[0].quantity = 0;
    const refusal = await refused(400, walk.invoices, 'createInvoice', request);
    assert.equal(refusal.reason, 'VALIDATION_ERROR');
    assert.deepEqual(refusal.details.map((detail) => detail.field), [
      'customerInformation.email',
      'invoiceInformation.dueDate',
      'orderInformation.amountDetails.totalAmount',
      'orderInformation.lineItems[0].quantity',
    ]);
  },

  async a_wrong_secret_is_401_and_says_no_more(walk) {
    // A P12 file has no secret to be wrong about: another password does not even open it.
    if (walk.settings.merchantsecretKey === undefined) return;
    const wrong = walk.withSettings({ merchantsecretKey: ANOTHER_SECRET });
    for (const [api, ...call] of [
      [wrong.invoices, 'createInvoice', aCreate()],
      [wrong.invoices, 'getAllInvoices', 0, 10, {}],
      [wrong.invoiceSettings, 'getInvoiceSettings', {}],
      [wrong.fields, 'getMerchantDefinedFieldsDefinitions', 'Invoice'],
    ]) {
      assert.deepEqual(await refused(401, api, ...call), { response: { rmsg: 'Authentication Failed' } });
    }
  },
};

function anUpdate() {
  const request = new vendor.UpdateInvoiceRequest();
  const customer = new vendor.Invoicingv2invoicesCustomerInformation();
  customer.name = 'New Customer Name';
  customer.email = 'new_email@my-email.world';
  request.customerInformation = customer;
  const information = new vendor.Invoicingv2invoicesidInvoiceInformation();
  information.description = 'This is after updating invoice';
  information.dueDate = '2019-07-11';
  information.deliveryMode = 'none';
  request.invoiceInformation = information;
  request.orderInformation = anOrder();
  return request;
}

// A PNG of about 20 kB in base64.
function aLogo() {
  const side = 80;
  const rows = Buffer.alloc(side * (1 + side * 3));
  let noise = 7;
  for (let at = 0; at < rows.length; at += 1) {
    noise = (Math.imul(noise, 1103515245) + 12345) >>> 0;
    rows[at] = at % (1 + side * 3) === 0 ? 0 : noise >>> 24;
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const png = Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk('IHDR', header),
    chunk('IDAT', zlib.deflateSync(rows)),
    chunk('IEND', Buffer.alloc(0)),
  ]);
  return png.toString('base64');
}

function chunk(kind, data) {
  const body = Buffer.concat([Buffer.from(kind), data]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, sum]);
}

// zlib.crc32 came with Node 22 only.
function crc32(data) {
  let rest = 0xffffffff;
  for (const byte of data) {
    rest ^= byte;
    for (let bit = 0; bit < 8; bit += 1) rest = rest & 1 ? (rest >>> 1) ^ 0xedb88320 : rest >>> 1;
  }
  return (rest ^ 0xffffffff) >>> 0;
}
