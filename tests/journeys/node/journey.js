'use strict';

// Walks the API with the vendor's Node client, unmodified, one walk for each way of signing.
//
// The first argument is a JSON file with the walks to make, the second the file to write what came of each step into.

const fs = require('node:fs');
const { Walk } = require('./walking.js');

const STEPS = { ...require('./invoices.js'), ...require('./webhooks.js') };

async function main([orderFile, outcomesFile]) {
  const order = JSON.parse(fs.readFileSync(orderFile, 'utf8'));
  const outcomes = [];
  for (const [position, walk] of order.walks.entries()) {
    for (const [step, story] of Object.entries(STEPS)) {
      let fault = null;
      try {
        await story(new Walk(order, walk.settings, position));
      } catch (error) {
        fault = error.stack || String(error);
      }
      outcomes.push({ walk: walk.name, step, fault });
    }
  }
  fs.writeFileSync(outcomesFile, JSON.stringify(outcomes));
}

main(process.argv.slice(2)).then(
  // The client keeps its connections open, which would keep this process as well.
  () => process.exit(0),
  (error) => {
    process.stderr.write(`${error.stack}\n`);
    process.exit(1);
  },
);
