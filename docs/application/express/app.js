// Your application in Express: `npm install express`, then `node app.js`. Express sends the ETag and the 304 by itself.
const express = require('express');

const REFRESH = process.env.REFRESH_URL ?? 'http://127.0.0.1:5280/roster_admin/refresh';
const contacts = new Map([['john', { 'marie@example.com': { name: 'Marie' } }]]); // your database
const app = express();

app.get('/contacts/:user', (request, response) => {
  response.json(contacts.get(request.params.user) ?? {});
});

app.put('/friends/:user/:friend', async (request, response) => {
  const { user, friend } = request.params;
  contacts.set(user, { ...contacts.get(user), [`${friend}@example.com`]: {} });
  await fetch(REFRESH, { method: 'POST', body: JSON.stringify([user]) });
  response.sendStatus(204);
});

app.listen(process.env.PORT ?? 8000, '127.0.0.1');
