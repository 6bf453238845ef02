// Verifies notices with the library for Go: lines of JSON come in, and for each line a verdict goes out.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

type notice struct {
	Secret  string
	Headers map[string]string
	Body    string
}

func verdict(line []byte) string {
	var given notice
	if err := json.Unmarshal(line, &given); err != nil {
		return err.Error()
	}
	headers := http.Header{}
	for name, value := range given.Headers {
		headers.Set(name, value)
	}
	webhook, err := standardwebhooks.NewWebhook(given.Secret)
	if err == nil {
		err = webhook.Verify([]byte(given.Body), headers)
	}
	if err != nil {
		return err.Error()
	}
	return "accepted"
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		fmt.Println(verdict(lines.Bytes()))
	}
}
