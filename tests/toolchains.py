"""The tools that run exported code in tests: found, or installed from Debian where we may, and never quietly absent.

Baidu's Node SDK comes from npm into `build/node`, once. Its Go and Java SDKs come from registries that a build machine need
not reach, so stand-ins here have their public names, types and rules (which fields a request leaves out above all), and answer
with the request they would have sent. Read off baidubce/bce-qianfan-sdk: go/qianfan/{completion,requestor,config,options}.go,
java/…/qianfan/{Qianfan,core/StreamIterator,core/auth/Auth,core/builder/CompletionBuilder,model/completion/*}.java.
"""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

BUILD = Path(__file__).resolve().parent.parent / "build"
PACKAGES = {
    "bash": "bash", "curl": "curl", "openssl": "openssl", "node": "nodejs", "npm": "npm", "go": "golang-go", "gofmt": "golang-go",
    "java": "default-jdk-headless", "javac": "default-jdk-headless",
}
NODE_SDK = "@baiducloud/qianfan@0.2.4"


@cache
def tool(name: str) -> str:
    """Return the path of a tool; install Debian's package if it is not there and we may. Fails with what to do."""
    if found := shutil.which(name):
        return found
    package = PACKAGES[name]
    if shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0:
        _run("apt-get", "update", "-qq")
        _run("apt-get", "install", "-y", "-qq", "--no-install-recommends", package)
        if found := shutil.which(name):
            return found
    raise AssertionError(f"exported code cannot be run without {name}: install it (Debian: sudo apt install {package})")


@cache
def node_folder() -> Path:
    """Return a folder in whose `node_modules` Baidu's SDK is."""
    folder = BUILD / "node"
    tool("node")
    if not (folder / "node_modules" / "@baiducloud" / "qianfan" / "package.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text('{"private": true}\n', encoding="utf-8")
        _run(tool("npm"), "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder), NODE_SDK)
    return folder


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
    assert done.returncode == 0, f"{' '.join(command)} failed:\n{done.stdout[-1000:]}\n{done.stderr[-2000:]}"


GO = {
    "go.mod": """\
module example.com/demo

go 1.18

require github.com/baidubce/bce-qianfan-sdk/go/qianfan v0.0.0

replace github.com/baidubce/bce-qianfan-sdk/go/qianfan => ./qianfan
""",
    "qianfan/go.mod": "module github.com/baidubce/bce-qianfan-sdk/go/qianfan\n\ngo 1.18\n",
    "qianfan/qianfan.go": """\
package qianfan

import (
	"context"
	"encoding/json"
	"os"
)

type Config struct{ BaseURL string }

var config = &Config{BaseURL: "https://aip.baidubce.com"}

func GetConfig() *Config { return config }

type Options struct{ Endpoint *string }

type Option func(*Options)

func WithEndpoint(endpoint string) Option {
	return func(options *Options) { options.Endpoint = &endpoint }
}

type BaseRequestBody struct {
	Extra map[string]interface{}
}

type CompletionRequest struct {
	BaseRequestBody
	Prompt       string
	Temperature  float64
	TopK         int
	TopP         float64
	PenaltyScore float64
	Stop         []string
	UserID       string
}

type ModelResponse struct {
	Result string
	IsEnd  bool
}

type streamInternal struct {
	parts []string
	IsEnd bool
}

type ModelResponseStream struct{ *streamInternal }

func (s *ModelResponseStream) Recv() (*ModelResponse, error) {
	if len(s.parts) == 0 {
		s.IsEnd = true
		return &ModelResponse{}, nil
	}
	part := s.parts[0]
	s.parts = s.parts[1:]
	return &ModelResponse{Result: part, IsEnd: len(s.parts) == 0}, nil
}

type Completion struct{ endpoint string }

func NewCompletion(list ...Option) *Completion {
	options := &Options{}
	for _, option := range list {
		option(options)
	}
	return &Completion{endpoint: *options.Endpoint}
}

func (c *Completion) sent(request *CompletionRequest, stream bool) (string, error) {
	body := map[string]interface{}{"prompt": request.Prompt}
	set := func(name string, value interface{}, zero bool) {
		if !zero {
			body[name] = value
		}
	}
	set("temperature", request.Temperature, request.Temperature == 0)
	set("top_k", request.TopK, request.TopK == 0)
	set("top_p", request.TopP, request.TopP == 0)
	set("penalty_score", request.PenaltyScore, request.PenaltyScore == 0)
	set("stop", request.Stop, len(request.Stop) == 0)
	set("user_id", request.UserID, request.UserID == "")
	for name, value := range request.Extra {
		body[name] = value
	}
	if stream {
		body["stream"] = true
	}
	auth := "iam"
	if os.Getenv("QIANFAN_AK") != "" {
		auth = "access_token"
	}
	text, err := json.Marshal(map[string]interface{}{"body": body, "endpoint": c.endpoint, "base_url": config.BaseURL, "auth": auth})
	return string(text), err
}

func (c *Completion) Do(ctx context.Context, request *CompletionRequest) (*ModelResponse, error) {
	text, err := c.sent(request, false)
	return &ModelResponse{Result: text}, err
}

func (c *Completion) Stream(ctx context.Context, request *CompletionRequest) (*ModelResponseStream, error) {
	text, err := c.sent(request, true)
	middle := len(text) / 2
	return &ModelResponseStream{&streamInternal{parts: []string{text[:middle], text[middle:]}}}, err
}
""",
}

_JAVA = "com/baidubce/qianfan"
JAVA = {
    f"{_JAVA}/core/auth/Auth.java": """\
package com.baidubce.qianfan.core.auth;

public class Auth {
    public static final String TYPE_IAM = "IAM";
    public static final String TYPE_OAUTH = "OAuth";
}
""",
    f"{_JAVA}/model/completion/CompletionResponse.java": """\
package com.baidubce.qianfan.model.completion;

public class CompletionResponse {
    private final String result;
    private final Boolean end;

    public CompletionResponse(String result, Boolean end) { this.result = result; this.end = end; }
    public String getResult() { return result; }
    public Boolean getEnd() { return end; }
}
""",
    f"{_JAVA}/model/completion/CompletionRequest.java": """\
package com.baidubce.qianfan.model.completion;

import java.util.LinkedHashMap;
import java.util.Map;

public class CompletionRequest {
    public final Map<String, Object> fields = new LinkedHashMap<>();
    public String endpoint;

    public CompletionRequest setStream(Boolean stream) { fields.put("stream", stream); return this; }
}
""",
    f"{_JAVA}/core/StreamIterator.java": """\
package com.baidubce.qianfan.core;

import java.util.Iterator;

public class StreamIterator<T> implements Iterator<T> {
    private final Iterator<T> parts;

    public StreamIterator(Iterator<T> parts) { this.parts = parts; }
    @Override public boolean hasNext() { return parts.hasNext(); }
    @Override public T next() { return parts.next(); }
}
""",
    f"{_JAVA}/core/builder/CompletionBuilder.java": """\
package com.baidubce.qianfan.core.builder;

import com.baidubce.qianfan.Qianfan;
import com.baidubce.qianfan.core.StreamIterator;
import com.baidubce.qianfan.model.completion.CompletionRequest;
import com.baidubce.qianfan.model.completion.CompletionResponse;
import java.util.List;

public class CompletionBuilder {
    private final Qianfan qianfan;
    private final CompletionRequest request = new CompletionRequest();

    public CompletionBuilder(Qianfan qianfan) { this.qianfan = qianfan; }
    private CompletionBuilder set(String name, Object value) { request.fields.put(name, value); return this; }
    public CompletionBuilder endpoint(String endpoint) { request.endpoint = endpoint; return this; }
    public CompletionBuilder prompt(String prompt) { return set("prompt", prompt); }
    public CompletionBuilder temperature(Double temperature) { return set("temperature", temperature); }
    public CompletionBuilder topK(Integer topK) { return set("top_k", topK); }
    public CompletionBuilder topP(Double topP) { return set("top_p", topP); }
    public CompletionBuilder penaltyScore(Double penaltyScore) { return set("penalty_score", penaltyScore); }
    public CompletionBuilder stop(List<String> stop) { return set("stop", stop); }
    public CompletionBuilder userId(String userId) { return set("user_id", userId); }
    public CompletionRequest build() { return request; }
    public CompletionResponse execute() { return qianfan.completion(request); }
    public StreamIterator<CompletionResponse> executeStream() { return qianfan.completionStream(request); }
}
""",
    f"{_JAVA}/Qianfan.java": """\
package com.baidubce.qianfan;

import com.baidubce.qianfan.core.StreamIterator;
import com.baidubce.qianfan.core.auth.Auth;
import com.baidubce.qianfan.core.builder.CompletionBuilder;
import com.baidubce.qianfan.model.completion.CompletionRequest;
import com.baidubce.qianfan.model.completion.CompletionResponse;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

public class Qianfan {
    private final String auth;

    public Qianfan(String accessKey, String secretKey) { this(Auth.TYPE_IAM, accessKey, secretKey); }
    public Qianfan(String type, String accessKey, String secretKey) {
        if (accessKey == null || secretKey == null) throw new IllegalArgumentException("no keys");
        auth = type.equals(Auth.TYPE_OAUTH) ? "access_token" : "iam";
    }
    public CompletionBuilder completion() { return new CompletionBuilder(this); }
    public CompletionResponse completion(CompletionRequest request) { return new CompletionResponse(sent(request), null); }
    public StreamIterator<CompletionResponse> completionStream(CompletionRequest request) {
        request.setStream(true);
        String text = sent(request);
        int middle = text.length() / 2;
        return new StreamIterator<>(Arrays.asList(
            new CompletionResponse(text.substring(0, middle), false), new CompletionResponse(text.substring(middle), true)).iterator());
    }
    private String sent(CompletionRequest request) {
        String base = System.getenv().getOrDefault("QIANFAN_BASE_URL", "https://aip.baidubce.com");
        Map<String, Object> all = new LinkedHashMap<>();
        all.put("body", request.fields);
        all.put("endpoint", request.endpoint);
        all.put("base_url", base);
        all.put("auth", auth);
        return json(all);
    }
    private static String json(Object value) {
        if (value instanceof Map) {
            return ((Map<?, ?>) value).entrySet().stream()
                .map(e -> json(e.getKey()) + ":" + json(e.getValue())).collect(Collectors.joining(",", "{", "}"));
        }
        if (value instanceof List) {
            return ((List<?>) value).stream().map(Qianfan::json).collect(Collectors.joining(",", "[", "]"));
        }
        if (value instanceof String) {
            StringBuilder text = new StringBuilder();
            for (char c : ((String) value).toCharArray()) {
                text.append(c > 32 && c < 127 && c != '"' && c != 92 ? String.valueOf(c) : String.format("%cu%04x", 92, (int) c));
            }
            return '"' + text.toString() + '"';
        }
        return String.valueOf(value);
    }
}
""",
}


def write_files(folder: Path, files: dict[str, str]) -> None:
    """Write files by their relative name."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")
