"""Your application in Django, in one file: `pip install django`, then `python3 app.py runserver 8000`."""

import json
import os
import urllib.request

from django.conf import settings
from django.core.management import execute_from_command_line
from django.http import HttpResponse, JsonResponse
from django.urls import path

settings.configure(
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["127.0.0.1"],
    MIDDLEWARE=["django.middleware.http.ConditionalGetMiddleware"],  # an ETag, and 304 if the host has it already
)
REFRESH = os.environ.get("REFRESH_URL", "http://127.0.0.1:5280/roster_admin/refresh")
contacts = {"john": {"marie@example.com": {"name": "Marie"}}}  # your database


def roster(request, user):
    return JsonResponse(contacts.get(user, {}))


def befriend(request, user, friend):
    contacts.setdefault(user, {})[f"{friend}@example.com"] = {}
    urllib.request.urlopen(REFRESH, json.dumps([user]).encode(), timeout=60)
    return HttpResponse(status=204)


urlpatterns = [path("contacts/<user>", roster), path("friends/<user>/<friend>", befriend)]

if __name__ == "__main__":
    execute_from_command_line()
