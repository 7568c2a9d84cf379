"""The pages of automatic answers."""

from django.urls import path

from privacy.views import answers, budgets, code, promises, questions, sampled_mocks, table_answer

app_name = "privacy"
urlpatterns = [
    path("", answers.index, name="index"),
    path("<uuid:pk>/", answers.answer, name="answer"),
    path("<uuid:pk>/download/<slug:form>/", answers.download, name="download"),
    path("<uuid:pk>/receipt/", answers.receipt, name="receipt"),
    path("<uuid:pk>/rows/", table_answer.rows, name="table_rows"),
    path("<uuid:pk>/withdraw/", code.withdraw, name="withdraw"),
    path("trials/<uuid:pk>/", code.trial, name="trial"),
    path("trials/<uuid:pk>/stop/", code.stop, name="stop_trial"),
    path("trials/<uuid:pk>/ask/", code.ask, name="ask_code"),
    path("budgets/<uuid:pk>/code/", code.write, name="code"),
    path("budgets/<uuid:pk>/", budgets.budget, name="budget"),
    path("budgets/<uuid:pk>/ask/", questions.ask, name="ask"),
    path("budgets/<uuid:pk>/price/", questions.price, name="price"),
    path("budgets/<uuid:pk>/change/", budgets.change, name="change"),
    path("budgets/<uuid:pk>/close/", budgets.close, name="close"),
    path("budgets/<uuid:pk>/top-up/", budgets.ask_top_up, name="ask_top_up"),
    path("top-ups/<uuid:pk>/", budgets.top_up, name="top_up"),
    path("top-ups/<uuid:pk>/decide/", budgets.decide, name="decide"),
    path("datasets/<uuid:pk>/", promises.dataset, name="dataset"),
    path("datasets/<uuid:pk>/protect/", promises.protect, name="protect"),
    path("datasets/<uuid:pk>/promise/", promises.promise, name="promise"),
    path("datasets/<uuid:pk>/budgets/", promises.give, name="give"),
    path("datasets/<uuid:pk>/rows/", promises.rows, name="rows"),
    path("datasets/<uuid:pk>/mock/", sampled_mocks.mock, name="mock"),
    path("datasets/<uuid:pk>/mock/replace/", sampled_mocks.replace, name="replace_mock"),
    path("datasets/<uuid:pk>/mock/restore/", sampled_mocks.restore, name="restore_mock"),
    path("datasets/<uuid:pk>/ledger/", promises.ledger, name="ledger"),
    path("datasets/<uuid:pk>/ledger/export/", promises.export, name="export"),
]
