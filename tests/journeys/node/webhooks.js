'use strict';

// What the client's users do with webhooks: keys, subscriptions, and a receiver of their own that checks signatures.

const assert = require('node:assert/strict');
const crypto = require('node:crypto');
const http = require('node:http');
const vendor = require('cybersource-rest-client');
const { ANOTHER_SECRET, done, refused } = require('./walking.js');

const PRODUCT = 'customerInvoicing';
const SEND = 'invoicing.customer.invoice.send';
const PAID = 'invoicing.customer.invoice.paid';
const PARTIAL_PAYMENT = 'invoicing.customer.invoice.partial-payment';
// Nobody is asked there: a subscription is not called before it is switched on.
const ELSEWHERE = 'http://127.0.0.1:9/hooks';
const TEST = 'notificationSubscriptionsV1WebhooksWebhookIdPost';

// Every step is one story and begins with nothing but what it makes itself.
module.exports = {
  async the_products_list_names_the_events_of_invoicing(walk) {
    const { data, response } = await done(walk.newWebhooks, 'findProductsToSubscribe', walk.merchantId);
    assert.equal(response.status, 200);
    const events = data.find((product) => product.productId === PRODUCT).eventTypes;
    const sent = events.find((event) => event.eventName === SEND);
    assert.deepEqual([sent.frequency, sent.timeSensitivity, sent.payloadEncryption], [-1, false, false]);
    for (const name of [PAID, PARTIAL_PAYMENT]) assert.ok(events.some((event) => event.eventName === name), name);
    await refused(404, walk.newWebhooks, 'findProductsToSubscribe', 'somebody_else');
  },

  async a_signing_key_is_made_and_shown(walk) {
    const made = await aSigningKey(walk);
    assert.equal(Buffer.from(made.key, 'base64').length, 32);
    assert.deepEqual([made.provider, made.tenant, made.organizationId], ['nrtd', walk.merchantId, walk.merchantId]);
    assert.deepEqual([made.keyType, made.status], ['sharedSecret', 'active']);
    assert.ok(made.keyId);
    assert.ok(new Date(made.expirationDate) > new Date());
    assert.notEqual((await aSigningKey(walk)).key, made.key);
  },

  async client_credentials_are_stored_and_used_by_a_subscription(walk) {
    // Two sources have provider and tenant the other way round.
    for (const [provider, tenant] of [['nrtd', walk.merchantId], [walk.merchantId, 'nrtd']]) {
      const wish = { provider, tenant, keyType: 'oAuthClientCredentials', clientKeyId: 'books', key: 'a secret', expiryDuration: '365' };
      const { data, response } = await saveKey(walk, 'STORE', wish);
      assert.deepEqual([response.status, data.status, data.keyInformation.clientKeyId], [201, 'SUCCESS', 'books']);
      assert.deepEqual([data.keyInformation.provider, data.keyInformation.tenant], [provider, tenant]);
    }
    await withSubscription(walk, { securityPolicy: anOAuthPolicy('oAuth') }, async (made) => {
      assert.equal(made.securityPolicy.securityType, 'oAuth');
      assert.equal(made.securityPolicy.config.oAuthURL, 'http://127.0.0.1:9/token');
      assert.equal(made.securityPolicy.config.oAuthTokenType, 'Bearer');
    });
  },

  async a_subscription_may_prove_itself_with_a_signed_token(walk) {
    const more = new vendor.Notificationsubscriptionsv2webhooksSecurityPolicyConfigAdditionalConfig();
    Object.assign(more, { aud: 'idp.receiver.example', client_id: '650538A1', keyId: 'y-daaa', scope: 'invoices:write' });
    await withSubscription(walk, { securityPolicy: anOAuthPolicy('oAuth_JWT', more) }, async (made) => {
      assert.deepEqual({ ...made.securityPolicy.config.additionalConfig }, { ...more });
    });
  },

  async a_certificate_is_stored(walk) {
    const der = new crypto.X509Certificate(walk.order.certificate).raw;
    const certificate = Object.assign(new vendor.Kmsegressv2keysasymKeyInformation(), {
      provider: 'nrtd', tenant: walk.merchantId, keyType: 'publickey', organizationId: walk.merchantId, pub: der.toString('base64'),
    });
    const request = new vendor.SaveAsymEgressKey();
    request.clientRequestAction = 'STORE';
    request.keyInformation = certificate;
    const { data, response } = await done(walk.webhooks, 'saveAsymEgressKey', request, {});
    assert.deepEqual([response.status, data.status], [201, 'SUCCESS']);
    // The client's model has no more members; the answer has.
    assert.equal(JSON.parse(response.text).keyInformation.keyType, 'publickey');
  },

  async a_subscription_is_made_fetched_listed_and_deleted(walk) {
    const policy = Object.assign(new vendor.Notificationsubscriptionsv2webhooksRetryPolicy(), {
      algorithm: 'GEOMETRIC', firstRetry: 3, interval: 5, numberOfRetries: 4, deactivateFlag: 'false', repeatSequenceCount: 0, repeatSequenceWaitTime: 0,
    });
    const gone = await withSubscription(walk, { retryPolicy: policy }, async (made) => {
      assert.deepEqual([made.status, made.webhookUrl, made.organizationId], ['INACTIVE', ELSEWHERE, walk.merchantId]);
      assert.deepEqual([made.name, made.description, made.notificationScope], ['Our books', 'Told by walk', 'DESCENDANTS']);
      assert.deepEqual({ ...made.products[0] }, { productId: PRODUCT, eventTypes: [SEND, PAID, PARTIAL_PAYMENT] });
      assert.deepEqual([made.retryPolicy.algorithm, made.retryPolicy.interval], ['GEOMETRIC', 5]);
      assert.equal(made.securityPolicy.securityType, 'KEY');
      const fetched = await done(walk.webhooks, 'getWebhookSubscriptionById', made.webhookId);
      assert.equal(fetched.response.status, 200);
      assert.deepEqual(fetched.data, made);

      for (const wish of [{}, { productId: PRODUCT }, { productId: PRODUCT, eventType: PAID }]) {
        const { data } = await done(walk.webhooks, 'getWebhookSubscriptionsByOrg', walk.merchantId, wish);
        assert.ok(data.some((each) => each.webhookId === made.webhookId), JSON.stringify(wish));
      }
      for (const [organization, productId] of [[walk.merchantId, 'tokenManagement'], ['somebody_else', PRODUCT]]) {
        const { data } = await done(walk.webhooks, 'getWebhookSubscriptionsByOrg', organization, { productId });
        assert.deepEqual(data, []);
      }
      return made.webhookId;
    });
    for (const call of ['getWebhookSubscriptionById', 'deleteWebhookSubscription']) {
      assert.equal((await refused(404, walk.webhooks, call, gone)).reason, 'NOT_FOUND');
    }
  },

  async an_update_changes_what_it_names(walk) {
    const call = 'notificationSubscriptionsV2WebhooksWebhookIdPatch';
    const change = (wish) => ({ updateWebhook: Object.assign(new vendor.UpdateWebhook(), wish) });
    await withSubscription(walk, {}, async (made) => {
      const wish = { name: 'The books', webhookUrl: 'http://127.0.0.1:9/other' };
      const { data, response } = await done(walk.webhooks, call, made.webhookId, change(wish));
      assert.deepEqual([response.status, data.name, data.webhookUrl], [200, wish.name, wish.webhookUrl]);
      assert.deepEqual([data.description, data.products], [made.description, made.products]);
      assert.ok(data.updatedOn >= data.createdOn);
      const refusal = await refused(400, walk.webhooks, call, made.webhookId, change({ webhookUrl: 'ftp://receiver.example' }));
      assert.deepEqual(refusal.details.map((detail) => detail.field), ['webhookUrl']);
    });
    await refused(404, walk.webhooks, call, 'none-of-that-id', change({ name: 'The books' }));
  },

  async a_subscription_is_switched_on_and_off(walk) {
    await withSubscription(walk, {}, async (made) => {
      for (const status of ['ACTIVE', 'INACTIVE']) {
        await switched(walk, made.webhookId, status);
        const { data } = await done(walk.webhooks, 'getWebhookSubscriptionById', made.webhookId);
        assert.equal(data.status, status);
      }
    });
  },

  async a_test_reaches_the_receiver_and_switches_the_subscription_on(walk) {
    const { key } = await aSigningKey(walk);
    await withReceiver(async (webhookUrl, next) => {
      await withSubscription(walk, { webhookUrl }, async (made) => {
        const { data, response } = await done(walk.webhooks, TEST, made.webhookId);
        assert.deepEqual([response.status, data.webhookId, data.productId], [201, made.webhookId, PRODUCT]);
        assert.deepEqual([data.eventType, data.requestType, data.retryNumber], [SEND, 'NEW', 0]);
        const call = await next();
        call.check(key);
        assert.equal(call.headers['v-c-transaction-trace-id'], data.transactionTraceId);
        assert.equal(JSON.parse(call.body).payloads.testPayload.message, data.payloads.testPayload.message);
        const fetched = await done(walk.webhooks, 'getWebhookSubscriptionById', made.webhookId);
        assert.equal(fetched.data.status, 'ACTIVE');
      });
    });
    await withSubscription(walk, {}, async (made) => {
      assert.equal((await refused(400, walk.webhooks, TEST, made.webhookId)).reason, 'NOTIFICATION_NOT_DELIVERED');
    });
  },

  async an_invoice_that_is_sent_is_told(walk) {
    const { key } = await aSigningKey(walk);
    await withReceiver(async (webhookUrl, next) => {
      await withSubscription(walk, { webhookUrl }, async (made) => {
        await switched(walk, made.webhookId, 'ACTIVE');
        const invoice = await walk.create({ send: true, mode: 'email' });
        const call = await next();
        call.check(key);
        const body = JSON.parse(call.body);
        assert.deepEqual([body.eventType, body.webhookId, body.productId], [SEND, made.webhookId, PRODUCT]);
        assert.equal(body.payload.data.invoiceNumber, invoice.id);
        assert.equal(body.payload.data.invoiceUrl, invoice.invoiceInformation.paymentLink);
      });
    });
  },

  async a_wrong_secret_gets_no_webhooks(walk) {
    // A P12 file has no secret to be wrong about.
    if (walk.settings.merchantsecretKey === undefined) return;
    const wrong = walk.withSettings({ merchantsecretKey: ANOTHER_SECRET });
    for (const [api, ...call] of [
      [wrong.newWebhooks, 'findProductsToSubscribe', walk.merchantId],
      [wrong.webhooks, 'getWebhookSubscriptionsByOrg', walk.merchantId, {}],
      [wrong.webhooks, TEST, 'any'],
    ]) {
      assert.deepEqual(await refused(401, api, ...call), { response: { rmsg: 'Authentication Failed' } });
    }
  },
};

// Make a subscription, lend it, and delete it in the end, whatever happened; return what the story returns.
async function withSubscription(walk, more, story) {
  const product = new vendor.Notificationsubscriptionsv2webhooksProducts1();
  // The client's own documents spell one event in two ways.
  Object.assign(product, { productId: PRODUCT, eventTypes: [SEND, PAID, 'invoicing.customer.invoice.partialpayment'] });
  const security = new vendor.Notificationsubscriptionsv2webhooksSecurityPolicy();
  security.securityType = 'KEY';
  const createWebhook = Object.assign(new vendor.CreateWebhook(), {
    name: 'Our books', description: 'Told by walk', organizationId: walk.merchantId, products: [product], webhookUrl: ELSEWHERE, securityPolicy: security, ...more,
  });
  const { data, response } = await done(walk.newWebhooks, 'notificationSubscriptionsV2WebhooksPost', { createWebhook });
  assert.equal(response.status, 201);
  try {
    return await story(data);
  } finally {
    await done(walk.webhooks, 'deleteWebhookSubscription', data.webhookId);
  }
}

async function switched(walk, webhookId, status) {
  const updateStatus = new vendor.UpdateStatus();
  updateStatus.status = status;
  const call = 'notificationSubscriptionsV2WebhooksWebhookIdStatusPut';
  const { response } = await done(walk.webhooks, call, webhookId, { updateStatus });
  assert.equal(response.status, 200);
}

async function aSigningKey(walk) {
  const { data, response } = await saveKey(walk, 'CREATE', {
    provider: 'nrtd', tenant: walk.merchantId, keyType: 'sharedSecret', organizationId: walk.merchantId,
  });
  assert.deepEqual([response.status, data.status], [201, 'SUCCESS']);
  return data.keyInformation;
}

function saveKey(walk, action, wish) {
  const request = new vendor.SaveSymEgressKey();
  request.clientRequestAction = action;
  request.keyInformation = Object.assign(new vendor.Kmsegressv2keyssymKeyInformation(), wish);
  return done(walk.newWebhooks, 'saveSymEgressKey', {
    vCCorrelationId: 'a-walk', vCSenderOrganizationId: walk.merchantId, vCPermissions: 'none', saveSymEgressKey: request,
  });
}

function anOAuthPolicy(securityType, additionalConfig) {
  const policy = new vendor.Notificationsubscriptionsv2webhooksSecurityPolicy();
  const config = new vendor.Notificationsubscriptionsv2webhooksSecurityPolicyConfig();
  Object.assign(config, { oAuthURL: 'http://127.0.0.1:9/token', oAuthTokenType: 'Bearer' });
  if (additionalConfig !== undefined) config.additionalConfig = additionalConfig;
  return Object.assign(policy, { securityType, config });
}

// Lend a program that takes everything: its address, and a function that waits for what it is sent next.
async function withReceiver(story) {
  const calls = [];
  let heard = () => {};
  const server = http.createServer((request, response) => {
    const parts = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', () => {
      calls.push(new Call(request.headers, Buffer.concat(parts)));
      response.writeHead(200).end();
      heard();
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  async function next() {
    const patience = AbortSignal.timeout(20_000);
    while (!calls.length) {
      await new Promise((resolve, reject) => {
        heard = resolve;
        patience.onabort = () => reject(new Error('nothing came'));
      });
    }
    return calls.shift();
  }
  try {
    await story(`http://127.0.0.1:${server.address().port}/hooks`, next);
  } finally {
    server.close();
  }
}

// What the receiver was sent.
class Call {
  constructor(headers, body) {
    this.headers = headers;
    this.body = body;
  }

  // Refuse it unless it was signed with the key, as the vendor's guide says to check it.
  check(key) {
    const [t, keyId, sig] = this.headers['v-c-signature'].split(';').map((part) => part.slice(part.indexOf('=') + 1));
    assert.ok(keyId);
    const signed = crypto.createHmac('sha256', Buffer.from(key, 'base64')).update(`${t}.`).update(this.body);
    assert.equal(signed.digest('base64'), sig);
  }
}
