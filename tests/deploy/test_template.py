"""The deployed template: what every function gets, the protection of the data, and references between resources."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.adapters.memory_queues import TRIES
from chalicelib.handlers.api import openapi
from chalicelib.handlers.api.problems import CONTENT_TYPE
from chalicelib.handlers.metrics import METRICS, NAMESPACE
from devstack.deploy import alarms, change_set, dashboard
from devstack.deploy.artifacts import OF_THEIR_OWN
from devstack.deploy.gateway_answers import AUTHORIZER_CODES, GATEWAY_ANSWERS
from devstack.deploy.template import ALIAS, ANY, GATEWAY_RESPONSES, native

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = openapi.document()
STAGES = ("dev", "prod")
API_TIMEOUT_S = 29
"""When API Gateway gives up."""
EVERY_S = {"rate(5 minutes)": 300, "cron(17 3 * * ? *)": 24 * 3600, "cron(47 4 * * ? *)": 24 * 3600}
VISIBLE = "ApproximateNumberOfMessagesVisible"
Template = dict[str, Any]


def of_type(template: Template, kind: str) -> dict[str, dict[str, Any]]:
    found = template["Resources"].items()
    return {logical_id: resource["Properties"] for logical_id, resource in found if resource["Type"] == kind}


@pytest.fixture(params=STAGES)
def template(request: pytest.FixtureRequest, templates: dict[str, Template]) -> Template:
    return templates[request.param]


def test_nothing_is_left_to_a_macro(template: Template) -> None:
    """What is linted is what is deployed: no transform, and no resource that only one would understand."""
    assert "Transform" not in template
    assert not [r["Type"] for r in template["Resources"].values() if "Serverless" in r["Type"]]


def test_a_package_is_of_one_stage(templates: dict[str, Template]) -> None:
    """The names carry the stage, and a package can't be deployed as another."""
    for stage, template in templates.items():
        assert (
            template["Parameters"]["Stage"]["AllowedValues"] == [template["Parameters"]["Stage"]["Default"]] == [stage]
        )


def test_every_function_has_its_name_role_log_and_alarms(template: Template) -> None:
    """API, webhook, sweep and authorizer are functions apart, each with what it needs to be told apart."""
    functions = of_type(template, "AWS::Lambda::Function")
    names = {logical_id: properties["FunctionName"]["Fn::Sub"] for logical_id, properties in functions.items()}
    watched = {
        (alarm["MetricName"], dimension["Value"]["Ref"])
        for alarm in of_type(template, "AWS::CloudWatch::Alarm").values()
        for dimension in alarm["Dimensions"]
        if dimension["Name"] == "FunctionName"
    }

    expected = "api webhook pages sweep worker relay post notices feedback reconcile figures authorizer"
    assert set(expected.split()) <= {name.removeprefix("aftertab-${Stage}-") for name in names.values()}
    assert len({json.dumps(properties["Role"]) for properties in functions.values()}) == len(functions)
    for logical_id, properties in functions.items():
        log = template["Resources"][properties["LoggingConfig"]["LogGroup"]["Ref"]]["Properties"]
        assert log["RetentionInDays"] == {"Ref": "LogDays"}
        assert log["LogGroupName"] == {"Fn::Sub": f"/aws/lambda/{names[logical_id]}"}
        assert {("Errors", logical_id), ("Throttles", logical_id)} <= watched


def test_a_functions_role_is_its_own_policy(template: Template) -> None:
    """The role has the policy of the function's file, and no other."""
    functions = of_type(template, "AWS::Lambda::Function")
    for properties in functions.values():
        name = properties["FunctionName"]["Fn::Sub"].removeprefix("aftertab-${Stage}-")
        role = template["Resources"][properties["Role"]["Fn::GetAtt"][0]]["Properties"]
        (policy,) = role["Policies"]

        assert policy["PolicyDocument"] == json.loads((ROOT / ".chalice" / f"policy-{name}.json").read_text())
        assert "ManagedPolicyArns" not in role


def _as_set(template: Template, value: Any) -> Any:
    """The value, or the default of the parameter that it is."""
    return template["Parameters"][value["Ref"]]["Default"] if isinstance(value, dict) else value


def test_functions_end_before_whoever_waits_for_them(template: Template) -> None:
    """Behind API Gateway before its 29 s; a scheduled run before the next; a queue's batch before it comes again.

    AWS wants a visibility timeout of six times the function's, for batches that wait while the function is throttled.
    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
    """
    every = {
        rule["Targets"][0]["Id"]: EVERY_S[_as_set(template, rule["ScheduleExpression"])]
        for rule in of_type(template, "AWS::Events::Rule").values()
    }
    for mapping in of_type(template, "AWS::Lambda::EventSourceMapping").values():
        source = template["Resources"][mapping["EventSourceArn"]["Fn::GetAtt"][0]]["Properties"]
        every[mapping["FunctionName"]["Ref"].removesuffix("Live")] = source.get("VisibilityTimeout", 900) / 6 + 1
    for subscription in of_type(template, "AWS::SNS::Subscription").values():
        if subscription["Protocol"] == "lambda":
            every[subscription["Endpoint"]["Ref"].removesuffix("Live")] = 900
    for logical_id, properties in of_type(template, "AWS::Lambda::Function").items():
        assert properties["Timeout"] < every.get(logical_id, API_TIMEOUT_S), logical_id


def test_every_queue_gives_up_after_three_tries_and_tells(template: Template) -> None:
    """What was given up stands in the queue's own dead letters, as long as SQS can keep it; somebody is woken."""
    queues = of_type(template, "AWS::SQS::Queue")
    watched = {
        (alarm["Dimensions"][0]["Value"]["Fn::GetAtt"][0], alarm["MetricName"])
        for alarm in of_type(template, "AWS::CloudWatch::Alarm").values()
        if alarm["Namespace"] == "AWS/SQS"
    }

    for name in ("Due", "Post", "Notices"):
        redrive = queues[f"{name}Queue"]["RedrivePolicy"]
        assert redrive == {
            "deadLetterTargetArn": {"Fn::GetAtt": [f"{name}DeadLetters", "Arn"]},
            "maxReceiveCount": TRIES,
        }
        assert queues[f"{name}DeadLetters"]["MessageRetentionPeriod"] == 14 * 24 * 3600
        assert {(f"{name}Queue", "ApproximateAgeOfOldestMessage"), (f"{name}DeadLetters", VISIBLE)} <= watched
        assert (f"{name}Queue", VISIBLE) in watched
    assert {("RelayDeadLetters", VISIBLE), ("DeadLetters", VISIBLE)} <= watched
    for properties in queues.values():
        assert properties["SqsManagedSseEnabled"] is True


def test_a_batch_answers_for_each_of_its_messages(templates: dict[str, Template]) -> None:
    """Without ReportBatchItemFailures one bad message would bring its nine neighbours again, or lose itself."""
    for stage, template in templates.items():
        for mapping in of_type(template, "AWS::Lambda::EventSourceMapping").values():
            assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
            assert mapping["FunctionName"]["Ref"].endswith("Live")
            if "ScalingConfig" in mapping:
                assert mapping["BatchSize"] == 10
                # A fresh account runs ten functions at once, and the API is one of them.
                assert (mapping["ScalingConfig"]["MaximumConcurrency"] == 2) == (stage == "dev")


def test_the_stream_invokes_the_relay_for_new_entries_only(template: Template) -> None:
    """Snapshots, facts and records are nine tenths of what is written, and are not told to anybody."""
    (mapping,) = (m for m in of_type(template, "AWS::Lambda::EventSourceMapping").values() if "StartingPosition" in m)
    stream = {"Fn::GetAtt": ["TabTable", "StreamArn"]}

    assert template["Resources"]["TabTable"]["Properties"]["StreamSpecification"] == {"StreamViewType": "NEW_IMAGE"}
    assert mapping["EventSourceArn"] == stream
    assert json.loads(mapping["FilterCriteria"]["Filters"][0]["Pattern"]) == {
        "eventName": ["INSERT"],
        "dynamodb": {"Keys": {"sk": {"S": [{"prefix": "ENTRY#"}]}}},
    }
    assert mapping["BisectBatchOnFunctionError"] is True
    assert 0 < mapping["MaximumRetryAttempts"] <= 100
    letters = {"Fn::GetAtt": ["RelayDeadLetters", "Arn"]}
    assert mapping["DestinationConfig"] == {"OnFailure": {"Destination": letters}}
    # From the start of the stream: what is committed while the mapping is made is told, too.
    assert mapping["StartingPosition"] == "TRIM_HORIZON"


def test_a_small_account_can_take_dev(templates: dict[str, Template]) -> None:
    """A reservation takes from an account's limit, ten in a fresh one: dev has none, prod's leave most to the API."""
    reserved = {
        stage: {
            logical_id: properties["ReservedConcurrentExecutions"]
            for logical_id, properties in of_type(template, "AWS::Lambda::Function").items()
            if "ReservedConcurrentExecutions" in properties
        }
        for stage, template in templates.items()
    }

    assert reserved["dev"] == {}
    assert {"Webhook", "Sweep"} <= set(reserved["prod"])
    assert "APIHandler" not in reserved["prod"]


def test_what_a_schedule_could_not_do_is_kept(template: Template) -> None:
    """Where the call fails and where the function fails, it ends in the dead letters; the function may write there."""
    letters = {"Fn::GetAtt": ["DeadLetters", "Arn"]}
    configs = {c["FunctionName"]["Ref"]: c for c in of_type(template, "AWS::Lambda::EventInvokeConfig").values()}
    rules = of_type(template, "AWS::Events::Rule")

    assert rules
    for rule in rules.values():
        (target,) = rule["Targets"]
        assert target["DeadLetterConfig"] == {"Arn": letters}
        assert configs[target["Id"]]["DestinationConfig"] == {"OnFailure": {"Destination": letters}}
        policy = json.loads((ROOT / ".chalice" / f"policy-{target['Id'].lower()}.json").read_text())
        assert {"sqs:SendMessage"} in [set(s["Action"]) for s in policy["Statement"] if s["Resource"] == letters]


def test_stripe_calls_its_own_function(template: Template) -> None:
    """The webhook's route ends at the webhook function, pages at theirs, all other routes at the API's."""
    paths = template["Resources"]["RestAPI"]["Properties"]["Body"]["paths"]
    called = {
        path: {
            m["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"].split("${")[-1].split("}")[0]
            for method, m in methods.items()
            if method != ANY
        }
        for path, methods in paths.items()
    }
    allowed = {
        p["SourceArn"]["Fn::Sub"].split("${RestAPI}")[-1]: p["FunctionName"]["Ref"]
        for p in of_type(template, "AWS::Lambda::Permission").values()
        if "Ref" in p["FunctionName"] and isinstance(p["SourceArn"].get("Fn::Sub"), str)
    }

    assert called.pop("/v1/webhooks/stripe") == {"WebhookLive"}
    pages = ("/t/{secret}", "/t/{secret}/{act}", "/back/{mark}", "/r/{code}", "/docs", "/docs/{name}")
    pages += ("/s/{secret}", "/s/{secret}/{act}", "/stories/{merchant_id}")
    assert [called.pop(path) for path in pages] == [{"PagesLive"}] * 9
    assert set().union(*called.values()) == {"APIHandlerLive"}
    assert allowed["/*/POST/v1/webhooks/stripe"] == "WebhookLive"
    ours = ("/*/*/t/*", "/*/*/back/*", "/*/*/r/*", "/*/*/s/*", "/*/*/stories/*", "/*/*/docs", "/*/*/docs/*")
    assert {allowed[path] for path in ours} == {"PagesLive"}


def mentioned(node: Any) -> set[str]:
    """The resources that a part of the template refers to."""
    if isinstance(node, list):
        return set().union(*map(mentioned, node))
    if isinstance(node, str):
        return {name.split(".")[0] for name in re.findall(r"\$\{([^}]+)\}", node)}
    if not isinstance(node, dict):
        return set()
    direct = {node["Ref"]} if "Ref" in node else {node["Fn::GetAtt"][0]} if "Fn::GetAtt" in node else set()
    return direct.union(*(mentioned(inner) for inner in node.values()))


def test_functions_are_called_by_their_alias(template: Template) -> None:
    """The alias decides which version answers: a caller that goes past it would not be rolled back with the rest."""
    functions = set(of_type(template, "AWS::Lambda::Function"))
    about_the_function = {"Version", "Alias", "EventInvokeConfig", "Alarm", "Dashboard"}
    callers = {
        logical_id
        for logical_id, resource in template["Resources"].items()
        if resource["Type"].split("::")[-1] not in about_the_function and mentioned(resource) & functions
    }

    assert callers == set()
    for name in functions:
        alias, version = (template["Resources"][f"{name}{part}"] for part in ("Live", "Version"))
        assert alias["Properties"]["FunctionVersion"] == {"Fn::GetAtt": [f"{name}Version", "Version"]}
        assert (version["UpdateReplacePolicy"], version["Properties"]["FunctionName"]) == ("Retain", {"Ref": name})
    configs = of_type(template, "AWS::Lambda::EventInvokeConfig").values()
    assert {config["Qualifier"] for config in configs} == {ALIAS}


def test_every_release_is_a_version(template: Template) -> None:
    """Lambda publishes no version of a function without a change, so the release is part of the function, too."""
    for name, properties in of_type(template, "AWS::Lambda::Function").items():
        version = template["Resources"][f"{name}Version"]["Properties"]
        assert mentioned(properties["Description"]) >= {"Release"} <= mentioned(version["Description"])


@pytest.mark.parametrize(
    ("stage", "runtime", "default", "allowed"),
    [
        ("dev", "python3.13", "off", ["on", "off"]),
        ("prod", "python3.13", "on", ["on", "off"]),
        ("prod", "python3.12", "on", ["on", "off"]),
        ("prod", "python3.11", "off", ["off"]),
    ],
)
def test_prod_starts_from_snapshots_where_lambda_can(
    sams: dict[str, Template], stage: str, runtime: str, default: str, allowed: list[str]
) -> None:
    """On by default for prod from Python 3.12 on; a Python that can't is refused before anything is changed."""
    text = re.sub(r'"python3\.\d+"', f'"{runtime}"', json.dumps(sams[stage]))
    template = native(json.loads(text), stage, "x.zip")

    assert template["Parameters"]["SnapStart"]["Default"] == default
    assert template["Parameters"]["SnapStart"]["AllowedValues"] == allowed
    snapped = {"Fn::If": ["HasSnapStart", "PublishedVersions", "None"]}
    apply_on = {name: f["SnapStart"]["ApplyOn"] for name, f in of_type(template, "AWS::Lambda::Function").items()}
    assert {name for name, value in apply_on.items() if value == snapped} == {
        *("APIHandler", "Authorizer", "Webhook", "Pages")
    }
    assert {value for value in apply_on.values() if value != snapped} == {"None"}


def test_functions_run_on_the_processor_that_the_zip_is_for(template: Template) -> None:
    """The compiled libraries in the zip are for one kind: another can't be asked for."""
    parameter = template["Parameters"]["Architecture"]

    assert parameter["AllowedValues"] == [parameter["Default"]] == ["arm64"]
    for properties in of_type(template, "AWS::Lambda::Function").values():
        assert properties["Architectures"] == [{"Ref": "Architecture"}]


def test_the_release_changes_with_code_and_parameters_and_nothing_else() -> None:
    """Else a changed setting would wait for the next code, or every deployment would be a new version."""
    values = {"LogDays": "90", "JwtIssuer": "https://a.example", "Release": "old"}
    release = change_set._release("aftertab-1.json", values)

    assert change_set._release("aftertab-1.json", {**values, "Release": release}) == release
    assert change_set._release("aftertab-2.json", values) != release
    assert change_set._release("aftertab-1.json", {**values, "JwtIssuer": "https://b.example"}) != release


def test_a_body_arrives_as_it_was_sent(template: Template) -> None:
    """API Gateway takes nothing for binary, in or out: what Stripe signed is what the webhook's function reads."""
    assert template["Resources"]["RestAPI"]["Properties"]["Body"]["x-amazon-apigateway-binary-media-types"] == []


def test_a_page_is_sent_compressed(template: Template) -> None:
    """As make bench-page measures it. What fits into one packet anyway is not."""
    assert template["Resources"]["RestAPI"]["Properties"]["MinimumCompressionSize"] == 1400


def test_a_changed_api_is_deployed_anew(templates: dict[str, Template]) -> None:
    """A deployment is a snapshot: another route or another error text makes another one, and nothing else does."""

    def deployment(template: Template) -> str:
        (found,) = of_type(template, "AWS::ApiGateway::Deployment")
        assert template["Resources"]["ApiStage"]["Properties"]["DeploymentId"] == {"Ref": found}
        return str(found)

    assert deployment(templates["dev"]) == deployment(templates["prod"])
    changed = json.loads(json.dumps(_sam_of(templates["dev"])).replace("Take an event from Stripe", "Take it"))
    assert deployment(native(changed, "dev", "x.zip")) != deployment(templates["dev"])


def _sam_of(template: Template) -> Template:
    """Enough of what native() took."""
    api = {
        "Type": "AWS::Serverless::Api",
        "Properties": {
            "EndpointConfiguration": "REGIONAL",
            "MinimumCompressionSize": 1400,
            "DefinitionBody": template["Resources"]["RestAPI"]["Properties"]["Body"],
        },
    }
    return {
        "Transform": "AWS::Serverless-2016-10-31",
        "Parameters": {"Stage": {}},
        "Resources": {"RestAPI": api},
        "Outputs": {"RestAPIId": {}, "TabTableName": {}},
    }


def test_the_table_is_guarded(template: Template) -> None:
    """Backups to the second, protection from deletion, and it outlives its stack."""
    table = template["Resources"]["TabTable"]

    assert table["DeletionPolicy"] == table["UpdateReplacePolicy"] == "Retain"
    assert table["Properties"]["DeletionProtectionEnabled"] is True
    assert table["Properties"]["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["Properties"]["TimeToLiveSpecification"] == {"AttributeName": "ttl", "Enabled": True}


def test_no_secret_is_in_the_template(template: Template) -> None:
    """Functions get the names of secrets; a parameter of the template would show them to whoever reads the stack."""
    for properties in of_type(template, "AWS::Lambda::Function").values():
        variables = properties["Environment"]["Variables"]
        assert {
            variables[name]["Fn::Sub"].split("${Stage}")[0] for name in ("STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET")
        } == {"ssm:/aftertab/"}
    assert not [
        name
        for name in template["Parameters"]
        if "secret" in name.lower() or (name.lower().endswith("key") and "Publishable" not in name)
    ]


@pytest.mark.parametrize("kind", GATEWAY_ANSWERS)
def test_what_the_gateway_answers_is_a_problem_too(templates: dict[str, Template], kind: str) -> None:
    """Callers read one shape of errors, whoever answers, and browsers may read it."""
    answer = templates["dev"]["Resources"]["RestAPI"]["Properties"]["Body"][GATEWAY_RESPONSES][kind]
    body = json.loads(answer["responseTemplates"]["application/json"])
    headers = answer["responseParameters"]

    assert headers["gatewayresponse.header.Content-Type"] == f"'{CONTENT_TYPE}'"
    assert headers["gatewayresponse.header.Access-Control-Allow-Origin"] == "'*'"
    assert body["type"] == f"urn:aftertab:problem:{body['code']}"
    assert {"title", "detail", "request_id"} <= set(body)
    assert body["status"] == answer["statusCode"]
    codes = AUTHORIZER_CODES if body["code"] == "$context.authorizer.code" else {body["code"]}
    document = DOCUMENT
    assert codes <= set(document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"])
    responses = document["paths"]["/v1/tabs"]["post"]["responses"]
    # Of an address that does not exist no operation can tell.
    assert str(body["status"]) in responses or body["code"] == "forbidden"


def test_what_a_throttled_caller_is_told_is_what_the_stage_allows(template: Template) -> None:
    """RateLimit and its policy come with 429, and their figures from the parameter that throttles."""
    body = template["Resources"]["RestAPI"]["Properties"]["Body"]
    headers = body[GATEWAY_RESPONSES]["THROTTLED"]["responseParameters"]

    assert headers["gatewayresponse.header.RateLimit-Policy"] == {"Fn::Sub": """'"all";q=${ThrottleRate};w=1'"""}
    assert headers["gatewayresponse.header.RateLimit"] == """'"all";r=0;t=1'"""
    assert headers["gatewayresponse.header.Retry-After"] == "'1'"


def test_the_app_answers_methods_that_a_path_does_not_have(template: Template) -> None:
    """Preflights and 405 are the API's, on every path of its, and without a token."""
    paths = template["Resources"]["RestAPI"]["Properties"]["Body"]["paths"]

    for path, item in paths.items():
        assert (ANY in item) == path.startswith("/v1/"), path
        if ANY in item:
            assert "security" not in item[ANY]
            assert item[ANY]["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"].count("${APIHandlerLive}") == 1


def test_the_stage_is_throttled_and_logged(template: Template) -> None:
    """A limit for all, another of its own for Stripe's events; every request in the access log, no body anywhere."""
    stage = template["Resources"]["ApiStage"]["Properties"]
    settings = {setting["ResourcePath"]: setting for setting in stage["MethodSettings"]}

    assert set(settings) == {"/*", "/~1v1~1webhooks~1stripe"}
    assert all(
        s["ThrottlingRateLimit"] == {"Ref": "ThrottleRate"} and not s["DataTraceEnabled"] for s in settings.values()
    )
    assert json.loads(stage["AccessLogSetting"]["Format"])["request_id"] == "$context.requestId"


def test_the_promised_alarms_are_there(templates: dict[str, Template]) -> None:
    """What must wake somebody does, and tells them what it means and what to do."""
    made = of_type(templates["prod"], "AWS::CloudWatch::Alarm")
    names = {alarm["AlarmName"]["Fn::Sub"].removeprefix("aftertab-${Stage}-") for alarm in made.values()}

    assert {
        "dead-letters", "flagged", "webhook-failures", "sweep-lag", "server-errors", "api-throttled", "money-mismatch"
    } <= names  # fmt: skip
    for alarm in made.values():
        assert alarm["AlarmActions"] == [{"Ref": "Alarms"}]
        assert len(alarm["AlarmDescription"]) > 40


def test_alarms_and_dashboard_look_at_metrics_that_exist(templates: dict[str, Template]) -> None:
    """A metric of ours that is watched is one that is written, under the same namespace."""
    watched = {alarm.metric for alarm in alarms.ALARMS if alarm.namespace == alarms.OURS}
    body = json.loads(templates["dev"]["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"])
    drawn = {m[1] for widget in body["widgets"] for m in widget["properties"]["metrics"] if m[0] == dashboard.OURS}

    assert alarms.OURS == NAMESPACE
    assert watched | drawn <= set(METRICS)


def test_every_metric_is_written_somewhere() -> None:
    """The table of metrics, and the names in the code, are the same."""
    sources = [ROOT / "app.py", *(ROOT / "chalicelib").rglob("*.py")]
    texts = "".join(path.read_text() for path in sources if path.name != "metrics.py")

    assert [name for name in METRICS if f'"{name}"' not in texts] == []


def test_every_metric_that_is_written_is_known() -> None:
    """A line with an unknown one would be no line at all: its unit is looked up when it is written."""
    written = {
        key.value
        for path in (ROOT / "chalicelib").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        for counted in _counted(node)
        for key in counted.keys
        if isinstance(key, ast.Constant)
    }

    assert written - set(METRICS) == set()


def _counted(node: ast.AST) -> Iterator[ast.Dict]:
    """`{"metrics": {…}}`, and what is put together under the name `counted` before."""
    if isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        yield from (
            value
            for key, value in pairs
            if isinstance(key, ast.Constant) and key.value == "metrics" and isinstance(value, ast.Dict)
        )
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
        names = [target.id for target in node.targets if isinstance(target, ast.Name)]
        if "counted" in names:
            yield node.value


def _subs(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == "Fn::Sub":
                yield inner if isinstance(inner, str) else inner[0]
            yield from _subs(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _subs(inner)


def test_no_resource_has_the_name_of_a_parameter(template: Template) -> None:
    """CloudFormation refuses it: functions are named in app.py, and their rules after them."""
    assert set(template["Parameters"]) & set(template["Resources"]) == set()


def test_every_substitution_names_something(template: Template) -> None:
    """`${…}` is a parameter, a resource, one of AWS's own, or was given with it."""
    known = set(template["Parameters"]) | set(template["Resources"]) | {"RestAPIId"}
    named = {name.split(".")[0] for text in _subs(template) for name in re.findall(r"\$\{([^}]+)\}", text)}

    assert {name for name in named if not name.startswith("AWS::")} <= known


def test_the_authorizer_runs_from_its_own_zip(sams: dict[str, dict[str, Any]]) -> None:
    """All other functions do without what reads tokens."""
    made = native(sams["dev"], "dev", "code.zip", dict.fromkeys(OF_THEIR_OWN, "authorizer.zip"))

    keys = {
        properties["Handler"]: properties["Code"]["S3Key"]
        for properties in (
            it["Properties"] for it in made["Resources"].values() if it["Type"] == "AWS::Lambda::Function"
        )
    }
    assert {handler for handler, key in keys.items() if key == "authorizer.zip"} == set(OF_THEIR_OWN)
    assert set(keys.values()) == {"code.zip", "authorizer.zip"}
