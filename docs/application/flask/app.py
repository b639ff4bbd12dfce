"""Your application in Flask: `pip install flask`, then `flask --app app run --port 8000`."""

import json
import os
import urllib.request

from flask import Flask, jsonify, request

REFRESH = os.environ.get("REFRESH_URL", "http://127.0.0.1:5280/roster_admin/refresh")
contacts = {"john": {"marie@example.com": {"name": "Marie"}}}  # your database
app = Flask(__name__)


@app.get("/contacts/<user>")
def roster(user):
    answer = jsonify(contacts.get(user, {}))
    answer.add_etag()
    return answer.make_conditional(request)  # 304 if the host has it already


@app.put("/friends/<user>/<friend>")
def befriend(user, friend):
    contacts.setdefault(user, {})[f"{friend}@example.com"] = {}
    urllib.request.urlopen(REFRESH, json.dumps([user]).encode(), timeout=60)
    return "", 204
