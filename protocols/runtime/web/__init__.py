"""What the pages of both sides share: layout, forms, tables, charts, languages, signing in, accounts, errors.

A page is added in three places of its side's `web` package:

1. a function in a module of pages, on that module's `APIRouter`. It declares the role that it needs by its
   first argument's type, asks actions by `page.call`, and returns `page.show`, or `page.done` after a form::

       Reader = Annotated[Page, needs(Role.READER)]

       @router.get("/studies")
       def inbox(page: Reader) -> Response:
           return page.show("inbox.html", inbox=page.call("inbox.listed"))

       class Refusal(Form):
           note: str = Field(default="", max_length=500)

       @router.post("/studies/{study}/refuse")
       def refuse(page: Approver, study: str) -> Response:
           page.call("inbox.refuse", study=study, note=page.form(Refusal).note)
           return page.done(f"/studies/{study}", "The study was refused.")

2. a template in `templates/` that extends `base.html` and takes tables, forms and charts from `ui.html`;
   every form has `{{ ui.hidden() }}`, and `{{ ui.fresh_code() }}` where its action needs a fresh code;
3. its words in `german.toml`: English in the template, as `_("…")`, is the key.

What a form sends is checked here: it comes from a page of this side and session, and holds its fields
and no other. A double click is one deed. No page names a database, a table or a key: what it shows and does
comes from actions behind a socket, which check session, role and second factor themselves.
"""
