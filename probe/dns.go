package probe

import (
	"context"
	"fmt"

	"github.com/miekg/dns"
)

// DNS asks a question. Any answer without an error code is good.
type DNS struct {
	Name string // "." if empty
	Type string // such as "A"; "SOA" if empty
}

func (d *DNS) run(ctx context.Context, to Target, t *trace) (string, error) {
	kind, name := dns.TypeSOA, "."
	if d.Type != "" {
		kind = dns.StringToType[d.Type]
	}
	if d.Name != "" {
		name = dns.Fqdn(d.Name)
	}
	c, err := dial(ctx, "udp", to, t)
	if err != nil {
		return "", err
	}
	defer closing(ctx, c)()
	question := new(dns.Msg)
	question.SetQuestion(name, kind)
	question.SetEdns0(1232, false)
	answer, _, err := new(dns.Client).ExchangeWithConnContext(ctx, question, &dns.Conn{Conn: c})
	if err != nil {
		return "", plain("answer", err)
	}
	code := dns.RcodeToString[answer.Rcode]
	t.step("answer", "%s, %d records", code, len(answer.Answer))
	if answer.Rcode != dns.RcodeSuccess {
		return "", fmt.Errorf("answer %s", code)
	}
	return fmt.Sprintf("%d records", len(answer.Answer)), nil
}

// KnownType reports whether DNS has a type of records.
func KnownType(name string) bool {
	_, known := dns.StringToType[name]
	return known
}

// ValidName reports whether a text is a domain name.
func ValidName(name string) bool {
	_, ok := dns.IsDomainName(name)
	return ok
}
