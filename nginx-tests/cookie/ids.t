# The ID of a server in the cookie.

use Sticky;
use Digest::MD5 'md5_hex';
use IO::Socket::IP;

$ENV{TEST_NGINX_HTML_DIR} ||= html_dir();

our $has_ipv6 = IO::Socket::IP->new(LocalHost => '::1', LocalPort => 0, Listen => 1) ? 1 : 0;

# MD5(name) in a section is replaced with the lower-case hexadecimal MD5 of that name.
our $backends = join '', map { my ($name, $port) = @$_; <<"_EOC_" } ['A', 1985], ['B', 1986];
    server {
        listen 127.0.0.1:$port;
        @{[$has_ipv6 ? "listen [::1]:$port;" : '']}
        location / { return 200 "$name\\n"; }
    }
_EOC_

sub expand_names {
    my ($text) = @_;
    return [map { expand_names($_) } @$text] if ref $text eq 'ARRAY';
    return $text if ref $text || !defined $text;
    $text =~ s/\$TEST_NGINX_HTML_DIR/$ENV{TEST_NGINX_HTML_DIR}/g;
    return $text =~ s/MD5\((.*?)\)/md5_hex($1)/ger;
}

add_block_preprocessor(sub {
    my $block = shift;
    for my $section (qw(more_headers response_headers raw_response_headers_like)) {
        my $text = expand_names($block->$section // next);
        chomp $text if $section =~ /like$/;
        $block->set_value($section, $text);
    }
    my $http = $backends . ($block->http_config // '');
    $http .= 'upstream u { ' . $block->upstream . " }\n" if defined $block->upstream;
    $block->set_value('http_config', $http);
    $block->set_value('config', "location /t/ { proxy_pass http://u/; }\n") if !defined $block->config;
    $block->set_value('request', 'GET /t/') if !defined $block->request;
    $block->set_value('no_error_log', "[alert]\n[crit]\n[emerg]\n") if !defined $block->no_error_log;
});

visit_lines(path => '/t/', answer => "NAME\n");
run_tests();

__DATA__

=== md5 of the peer's name, a published example
--- http_config
server { listen 127.0.0.3:821; location / { return 200 "821\n"; } }
--- upstream
server 127.0.0.3:821;
session_sticky cookie=LBSID;
--- response_headers
Set-Cookie: LBSID=d349ca31adc862f4d7e6faa19e516d6d; Path=/
--- response_body
821
--- skip_eval: 3: $> != 0



=== md5 of the peer's name, a request with the cookie of that example
--- http_config
server { listen 127.0.0.3:821; location / { return 200 "821\n"; } }
--- upstream
server 127.0.0.1:1985;
server 127.0.0.3:821;
session_sticky cookie=LBSID;
--- more_headers
Cookie: LBSID=d349ca31adc862f4d7e6faa19e516d6d
--- response_headers
!Set-Cookie
--- response_body
821
--- skip_eval: 3: $> != 0



=== md5 is the default, and can be specified
--- http_config
upstream said { server 127.0.0.1:1985; session_sticky hash=md5; }
--- config
    location /t/ { proxy_pass http://u/; }
    location /said/ { proxy_pass http://said/; }
--- upstream
server 127.0.0.1:1985;
session_sticky;
--- visits
-> sets "route=MD5(127.0.0.1:1985); Path=/"
/said/ -> sets "route=MD5(127.0.0.1:1985); Path=/"



=== md5 of the name of a UNIX-domain socket includes unix:
--- http_config
server { listen unix:$TEST_NGINX_HTML_DIR/a.sock; location / { return 200 "unix\n"; } }
--- upstream
server unix:$TEST_NGINX_HTML_DIR/a.sock;
session_sticky;
--- visits
-> says "unix\n", sets "route=MD5(unix:$TEST_NGINX_HTML_DIR/a.sock); Path=/"
route=MD5(unix:$TEST_NGINX_HTML_DIR/a.sock) -> says "unix\n", sets nothing



=== md5 of an IPv6 peer's name includes its brackets
--- upstream
server [::1]:1985;
session_sticky;
--- visits
-> sets "route=MD5([::1]:1985); Path=/"
route=MD5([::1]:1985) -> sets nothing
--- skip_eval: 7: !$main::has_ipv6



=== md5 is in lower case: an upper-case value is unknown
--- upstream
server 127.0.0.1:1985;
server 127.0.0.1:1986;
session_sticky;
--- more_headers eval
"Cookie: route=" . uc Digest::MD5::md5_hex('127.0.0.1:1986')
--- response_headers
Set-Cookie: route=MD5(127.0.0.1:1985); Path=/
--- response_body
A



=== md5 is of the peer's name even if the server has id=
--- upstream
server 127.0.0.1:1985 id=east;
session_sticky hash=md5;
--- response_headers
Set-Cookie: route=MD5(127.0.0.1:1985); Path=/
--- may_warn
parameter "id" of the "server" directive has no effect



=== md5: the value of id= is not accepted in a cookie
--- upstream
server 127.0.0.1:1985 id=east;
server 127.0.0.1:1986 id=west;
session_sticky;
--- more_headers
Cookie: route=west
--- response_headers
Set-Cookie: route=MD5(127.0.0.1:1985); Path=/
--- response_body
A
--- may_warn
parameter "id" of the "server" directive has no effect



=== md5 of a server with a name is of the address, not of the text of the line
--- upstream
server localhost:1985;
session_sticky;
--- raw_response_headers_like
(?m)^Set-Cookie: route=(?:MD5(127.0.0.1:1985)|MD5([::1]:1985)); Path=/\r$



=== md5 is the same for two upstreams, and for backup servers
--- http_config
upstream v { server 127.0.0.1:1999; server 127.0.0.1:1985 backup; session_sticky; }
--- config
    location /t/ { proxy_pass http://u/; }
    location /v/ { proxy_pass http://v/; }
--- upstream
server 127.0.0.1:1985;
session_sticky;
--- visits
-> sets "route=MD5(127.0.0.1:1985); Path=/"
/v/ -> sets "route=MD5(127.0.0.1:1985); Path=/"
--- may_warn
is also that of upstream



=== plain: the server's id=
--- upstream
server 127.0.0.1:1985 id=east;
server 127.0.0.1:1986 id=west-2.example_net;
session_sticky hash=plain;
--- visits
-> A, sets "route=east; Path=/"
-> B, sets "route=west-2.example_net; Path=/"
route=west-2.example_net -> B, sets nothing



=== plain without id=: the peer's name
--- upstream
server 127.0.0.1:1985;
server 127.0.0.1:1986;
session_sticky hash=plain;
--- visits
-> A, sets "route=127.0.0.1:1985; Path=/"
route=127.0.0.1:1986 -> B, sets nothing
route=127.0.0.1:1986 -> B, sets nothing



=== plain: one server has id=, the other has not
--- upstream
server 127.0.0.1:1985;
server 127.0.0.1:1986 id=west;
session_sticky hash=plain;
--- visits
-> sets "route=127.0.0.1:1985; Path=/"
-> sets "route=west; Path=/"



=== plain: if a server has id=, its name is not accepted
--- upstream
server 127.0.0.1:1985 id=east;
server 127.0.0.1:1986 id=west;
session_sticky hash=plain;
--- more_headers
Cookie: route=127.0.0.1:1986
--- response_headers
Set-Cookie: route=east; Path=/
--- response_body
A



=== plain: an MD5 is not accepted
--- upstream
server 127.0.0.1:1985;
server 127.0.0.1:1986;
session_sticky hash=plain;
--- more_headers
Cookie: route=MD5(127.0.0.1:1986)
--- response_headers
Set-Cookie: route=127.0.0.1:1985; Path=/
--- response_body
A



=== plain: the ID must match completely, and is case-sensitive
--- upstream
server 127.0.0.1:1985 id=web;
server 127.0.0.1:1986 id=web2;
session_sticky hash=plain;
--- visits
route=web2 -> B, sets nothing
route=web -> A, sets nothing
route=we -> A, sets "route=web; Path=/"
route=WEB2 -> B, sets "route=web2; Path=/"



=== plain with a UNIX-domain socket and no id=
--- http_config
server { listen unix:$TEST_NGINX_HTML_DIR/a.sock; location / { return 200 "unix\n"; } }
--- upstream
server unix:$TEST_NGINX_HTML_DIR/a.sock;
session_sticky hash=plain;
--- visits
-> sets "route=unix:$TEST_NGINX_HTML_DIR/a.sock; Path=/"
route=unix:$TEST_NGINX_HTML_DIR/a.sock -> sets nothing



=== id= can be anywhere among the parameters of server
--- upstream
zone z 64k;
server 127.0.0.1:1985 weight=2 id=east max_fails=3 fail_timeout=5s;
server 127.0.0.1:1986 id=west max_conns=10 backup;
session_sticky hash=plain;
--- visits
-> A, sets "route=east; Path=/"
-> A, sets "route=east; Path=/"
route=west -> B, sets nothing



=== one line that resolves to several addresses: its peers share the id=
--- upstream
server localhost:1985 id=web;
session_sticky hash=plain;
--- visits
-> A, sets "route=web; Path=/"
-> A, sets "route=web; Path=/"
-> A, sets "route=web; Path=/"
route=web -> A, sets nothing
--- may_warn
2 addresses, which share the id



=== servers that share an ID: the first one gets all sessions
--- upstream
server 127.0.0.1:1999 id=other;
server 127.0.0.1:1985 id=web;
server 127.0.0.1:1986 id=web;
session_sticky hash=plain;
--- visits
route=web -> A, sets nothing
route=web -> A, sets nothing
route=web -> A, sets nothing



=== servers that share an ID: the first one is down, the second one takes over, and the cookie does not change
--- upstream
server 127.0.0.1:1985 id=web down;
server 127.0.0.1:1986 id=web;
server 127.0.0.1:1999 id=other;
session_sticky hash=plain fallback=off;
--- visits
route=web -> B, sets nothing
route=web -> B, sets nothing
route=web -> B, sets nothing



=== servers that share an ID: the first one fails, the second one takes over, and the cookie does not change
--- config
location /t/ { proxy_pass http://u/; add_header X-Tried $upstream_addr; }
--- upstream
server 127.0.0.1:1985 id=other;
server 127.0.0.1:1999 id=web;
server 127.0.0.1:1986 id=web;
session_sticky hash=plain;
--- more_headers
Cookie: route=web
--- response_headers
!Set-Cookie
X-Tried: 127.0.0.1:1999, 127.0.0.1:1986
--- response_body
B



=== nginx's own route=, if supported
--- upstream
server 127.0.0.1:1985 route=east;
server 127.0.0.1:1986 route=west;
session_sticky hash=plain;
--- visits
-> sets "route=east; Path=/"
route=west -> sets nothing
--- skip_nginx: 7: < 1.29.6



=== id= takes precedence over nginx's own route=
--- upstream
server 127.0.0.1:1985 route=east id=ours;
session_sticky hash=plain;
--- response_headers
Set-Cookie: route=ours; Path=/
--- skip_nginx: 3: < 1.29.6



=== nginx's own sticky cookie uses the same ID
--- http_config
upstream own { server 127.0.0.1:1985; server 127.0.0.1:1986; sticky cookie route; }
--- config
    location /t/ { proxy_pass http://u/; }
    location /own/ { proxy_pass http://own/; }
--- upstream
server 127.0.0.1:1985;
server 127.0.0.1:1986;
session_sticky;
--- visits
/own/ -> A, header like "Set-Cookie: route=MD5(127.0.0.1:1985)\b"
/own/ route=MD5(127.0.0.1:1986) -> B, header like ""
route=MD5(127.0.0.1:1986) -> B, header like ""
--- skip_nginx: 10: < 1.29.6
