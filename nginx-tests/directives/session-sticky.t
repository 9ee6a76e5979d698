# The session_sticky directive: its parameters, their effect on the cookie, and messages about mistakes.
#
# Sections of this file:
#   upstream  the contents of "upstream u" after its two servers
#   emerg     nginx must refuse to start with exactly one [emerg] line, which contains each line of this section
#   warn      nginx starts with exactly one [warn] line about the module, which contains each line of this section
# ID_A and ID_B are replaced with the IDs of the two servers, KEYS with a file with the key $key[0].

use Sticky qw(Certificates Keys Verdicts);
use POSIX qw(strftime setlocale LC_TIME);

our $servers = "    server 127.0.0.1:1985;\n    server 127.0.0.1:1986;\n";
our $backends = servers('location / { return 200 "NAME cookie=[$http_cookie]\n"; }' . "\n", qw(A B));

my $key_file = key_file('keys', $key[0]);

# A certificate for the blocks that use TLS.
our $tls = certificate();

# A pattern for the Expires of a cookie that is set in the next 30 seconds.
sub expires {
    my ($maxage) = @_;
    setlocale(LC_TIME, "C");
    my $now = time;
    return '(?:' . join('|', map { strftime("%a, %d %b %Y %H:%M:%S GMT", gmtime($now + $maxage + $_)) } 0 .. 30) . ')';
}

verdict_sections(qr/session_sticky/);
add_block_preprocessor(sub {
    my ($block) = @_;

    if (defined $block->upstream) {
        my $upstream = "upstream u {\n$servers" . ($block->upstream =~ s/\bKEYS\b/$key_file/r) . "}\n";
        $block->set_value(http_config => "$backends\n$upstream" . ($block->http_config // ''));
    }

    $block->set_value(config => 'location /t { proxy_pass http://u; }') if !defined $block->config;

    fill($block, '', 'response_body_like');
});

visit_lines(answer => "NAME cookie=[SEEN]\n");
run_tests();

__DATA__

=== no parameters: cookie=route path=/ mode=insert option=direct fallback=on rebind=on hash=md5
--- upstream
    session_sticky;
--- visits
-> says like "^A cookie=\[\]$", sets like "route=ID_A; Path=/"
route=ID_B -> says like "^B cookie=\[route=ID_B\]$", sets nothing
route=nobody -> says like "^[AB] cookie=\[route=nobody\]$", sets like "route=\w{32}; Path=/"



=== all parameters together: the attributes are in a fixed order
--- upstream
    session_sticky cookie=sid domain=www.xxx.com path=/app maxage=3600 mode=insert option=indirect maxidle=10m
                   maxlife=1h refresh=1m fallback=off hash=hmac sign key_file=KEYS secure httponly samesite=lax partitioned
                   attr=Priority=High if=$uri nocache preserve;
--- init
$block->set_value(raw_response_headers_like =>
    '\r\nSet-Cookie: sid=' . ::key_id($::key[0], 'A') . '\|(\d+)\|\1\|[\w-]{22}; Domain=www\.xxx\.com; Path=/app; Max-Age=3600; Expires='
    . ::expires(3600) . '; Secure; HttpOnly; SameSite=Lax; Partitioned; Priority=High\r\n');
--- raw_response_headers_like: set by init
--- response_body
A cookie=[]



=== parameters can be in any order
--- upstream
    session_sticky partitioned secure hash=md5 samesite=strict path=/x cookie=c;
--- response_headers
Set-Cookie: c=ID_A; Path=/x; Secure; SameSite=Strict; Partitioned



=== the defaults can be specified
--- upstream
    session_sticky cookie=route path=/ mode=insert option=direct fallback=on rebind=on hash=md5;
--- response_headers
Set-Cookie: route=ID_A; Path=/



=== cookie=: the name is used in both directions
--- upstream
    session_sticky cookie=JSESSION-2.x;
--- visits
-> sets like "JSESSION-2.x=ID_A; Path=/"
JSESSION-2.x=ID_B -> sets nothing
route=ID_B -> sets like "JSESSION-2.x=\w{32}; Path=/"



=== domain=: a host name
--- upstream
    session_sticky domain=www.xxx.com;
--- response_headers
Set-Cookie: route=ID_A; Domain=www.xxx.com; Path=/



=== domain=: a name with a leading dot
--- upstream
    session_sticky domain=.taobao.com;
--- response_headers
Set-Cookie: route=ID_A; Domain=.taobao.com; Path=/



=== path=
--- upstream
    session_sticky path=/shop/cart;
--- response_headers
Set-Cookie: route=ID_A; Path=/shop/cart



=== path= without a leading slash: [warn]
--- upstream
    session_sticky path=app;
--- warn
"session_sticky" with "path=app" needs a leading slash
--- response_headers
Set-Cookie: route=ID_A; Path=app



=== path= with variables: evaluated for each request; an empty value omits the attribute
--- upstream
    session_sticky path=$arg_base$arg_rest httponly;
--- visits
/t?base=/app -> header like "\r\nSet-Cookie: route=\w{32}; Path=/app; HttpOnly\r\n"
/t?base=/app&rest=/a.b~c -> header like "\r\nSet-Cookie: route=\w{32}; Path=/app/a\.b~c; HttpOnly\r\n"
-> header like "\r\nSet-Cookie: route=\w{32}; HttpOnly\r\n"
/t?base=/%20 -> header like "\r\nSet-Cookie: route=\w{32}; Path=/%20; HttpOnly\r\n"



=== path= with a variable: a value without a leading slash is omitted, with an [error]
--- upstream
    session_sticky path=$arg_base;
--- request: GET /t?base=app
--- response_headers
Set-Cookie: route=ID_A
--- error_log
session_sticky: path "app" of cookie "route" is not a valid path, the cookie is set without it
--- no_error_log eval
qr/\[(?:warn|crit|alert|emerg)\]/



=== path= with a variable: a value with another attribute is omitted, with an [error]
--- upstream
    session_sticky path=$arg_base;
--- request: GET /t?base=/a;Domain=x.example
--- response_headers
Set-Cookie: route=ID_A
--- error_log
session_sticky: path "/a;Domain=x.example" of cookie "route" is not a valid path, the cookie is set without it
--- no_error_log eval
qr/\[(?:warn|crit|alert|emerg)\]/



=== path= with a variable: control characters inject nothing
--- upstream
    session_sticky path=$path;
--- config
location ~ ^/t(?<path>(?:.|\n|\r)*) { proxy_pass http://u; }
--- visits
/t/a%0D%0ASet-Cookie:%20evil=1 -> header like "\r\nSet-Cookie: route=\w{32}\r\n", header unlike "evil|Secure|Path"
/t/%C3%A9 -> header like "\r\nSet-Cookie: route=\w{32}\r\n", header unlike "evil|Secure|Path"
/t/a%3B%20Secure -> header like "\r\nSet-Cookie: route=\w{32}\r\n", header unlike "evil|Secure|Path"
/t/a%20b -> header like "\r\nSet-Cookie: route=\w{32}; Path=/a b\r\n", header unlike "evil"
--- no_error_log eval
qr/\[(?:warn|crit|alert|emerg)\]/



=== path= and domain= with variables: the attributes are in a fixed order
--- upstream
    session_sticky domain=$host path=$uri maxage=60;
--- raw_response_headers_like
\r\nSet-Cookie: route=ID_A; Domain=localhost; Path=/t; Max-Age=60; Expires=[^;\r\n]+ GMT\r\n



=== cookie= with a variable is used literally: [warn]
--- upstream
    session_sticky cookie=$x;
--- warn
"session_sticky" with a cookie "$x", which is used literally
--- response_headers
Set-Cookie: $x=ID_A; Path=/



=== maxage: seconds without a unit
--- upstream
    session_sticky maxage=90;
--- init
$block->set_value(raw_response_headers_like =>
    ::expand('\r\nSet-Cookie: route=ID_A; Path=/; Max-Age=90; Expires=') . ::expires(90) . '\r\n');
--- raw_response_headers_like: set by init



=== maxage: a time with units, 1h30m
--- upstream
    session_sticky maxage=1h30m;
--- init
$block->set_value(raw_response_headers_like =>
    ::expand('\r\nSet-Cookie: route=ID_A; Path=/; Max-Age=5400; Expires=') . ::expires(5400) . '\r\n');
--- raw_response_headers_like: set by init



=== maxage: a year
--- upstream
    session_sticky maxage=1y;
--- init
$block->set_value(raw_response_headers_like =>
    ::expand('\r\nSet-Cookie: route=ID_A; Path=/; Max-Age=31536000; Expires=') . ::expires(31536000) . '\r\n');
--- raw_response_headers_like: set by init



=== maxage=0 sets no maxage, since browsers would delete the cookie: [warn]
--- upstream
    session_sticky maxage=0;
--- warn
"session_sticky" with "maxage=0" sets the cookie without "maxage="
--- response_headers
Set-Cookie: route=ID_A; Path=/



=== maxage applies together with maxidle and maxlife
--- upstream
    session_sticky maxage=60 maxidle=30 maxlife=1h30m;
--- raw_response_headers_like
\r\nSet-Cookie: route=ID_A\|(\d+)\|\1; Path=/; Max-Age=60; Expires=[^;\r\n]+ GMT\r\n



=== maxidle: a time with units (1h30m is 5400 s, not 1 s)
--- upstream
    session_sticky maxidle=1h30m;
--- init
$block->set_value(more_headers => ::expand("Cookie: route=ID_B|" . (time() - 5300) . "|" . (time() - 5300)));
--- response_body_like: ^B



=== maxlife: seconds without a unit
--- upstream
    session_sticky maxlife=5400;
--- visits
-> B
-> A
--- init
$block->set_value(more_headers => [map { ::expand("Cookie: route=ID_B|" . (time() - $_) . "|" . (time() - $_)) } 5300, 5500]);



=== the name of the directive written twice, as in example 2 of Tengine's manual, is accepted with a [warn]
--- upstream
    session_sticky session_sticky cookie=uid domain=www.xxx.com fallback=on path=/ mode=insert option=indirect;
--- warn
session_sticky
--- response_headers
Set-Cookie: uid=ID_A; Domain=www.xxx.com; Path=/



=== a duplicate parameter is accepted with a [warn]; the last one is used
--- upstream
    session_sticky cookie=first path=/ cookie=second;
--- warn
"session_sticky"
cookie
--- response_headers
Set-Cookie: second=ID_A; Path=/



=== a duplicate directive is accepted with a [warn]; the last one is used
--- upstream
    session_sticky cookie=first;
    session_sticky cookie=second;
--- warn
"session_sticky"
--- response_headers
Set-Cookie: second=ID_A; Path=/



=== option=indirect in mode=rewrite has no effect: [warn]
--- upstream
    session_sticky mode=rewrite option=indirect;
--- warn
"session_sticky"
rewrite
indirect
--- response_headers
!Set-Cookie



=== maxidle= in mode=prefix has no effect: [warn]
--- upstream
    session_sticky mode=prefix maxidle=60;
--- warn
"session_sticky"
prefix
maxidle
--- response_headers
!Set-Cookie



=== maxlife= in mode=rewrite has no effect: [warn]
--- upstream
    session_sticky mode=rewrite maxlife=60;
--- warn
"session_sticky"
rewrite
maxlife
--- response_headers
!Set-Cookie



=== rebind=off without fallback=on has no effect: [warn]
--- upstream
    session_sticky fallback=unknown rebind=off;
--- warn
session_sticky
rebind=off
fallback
--- response_headers
Set-Cookie: route=ID_A; Path=/



=== secure and httponly
--- upstream
    session_sticky httponly secure;
--- response_headers
Set-Cookie: route=ID_A; Path=/; Secure; HttpOnly



=== secure=auto: Secure only for requests over TLS
--- upstream
    session_sticky secure=auto;
--- http_config eval
<<"_EOC_"
server {
    listen 127.0.0.1:1990 ssl;
    ssl_certificate     $::tls.pem;
    ssl_certificate_key $::tls.key;
    location / { proxy_pass http://u; }
}
_EOC_
--- config
location /plain { proxy_pass http://u; }
location /tls   { proxy_ssl_session_reuse off; proxy_pass https://127.0.0.1:1990; }
--- visits
/plain -> header like "\r\nSet-Cookie: route=\w{32}; Path=/\r\n"
/tls -> header like "\r\nSet-Cookie: route=\w{32}; Path=/; Secure\r\n"



=== samesite=strict
--- upstream
    session_sticky samesite=strict;
--- response_headers
Set-Cookie: route=ID_A; Path=/; SameSite=Strict



=== samesite=none with secure: no message
--- upstream
    session_sticky samesite=none secure;
--- response_headers
Set-Cookie: route=ID_A; Path=/; Secure; SameSite=None



=== samesite=none without secure: [warn]
--- upstream
    session_sticky samesite=none;
--- warn
"session_sticky"
samesite=none
secure
--- response_headers
Set-Cookie: route=ID_A; Path=/; SameSite=None



=== samesite=none with secure=auto: [warn]
--- upstream
    session_sticky samesite=none secure=auto;
--- warn
"session_sticky" with "samesite=none" needs "secure"
secure=auto
--- response_headers
Set-Cookie: route=ID_A; Path=/; SameSite=None



=== samesite=$var: evaluated for each request; an invalid value is replaced with Strict and injects nothing
--- upstream
    session_sticky secure samesite=$samesite;
--- http_config
map $arg_v $samesite {
    lax     lax;
    none    none;
    strict  strict;
    inject  "lax; Domain=evil.example";
    default sometimes;
}
--- visits
/t?v=lax -> header like "\r\nSet-Cookie: route=\w{32}; Path=/; Secure; SameSite=Lax\r\n"
/t?v=none -> header like "\r\nSet-Cookie: route=\w{32}; Path=/; Secure; SameSite=None\r\n"
/t?v=strict -> header like "\r\nSet-Cookie: route=\w{32}; Path=/; Secure; SameSite=Strict\r\n"
/t?v=inject -> header like "\r\nSet-Cookie: route=\w{32}; Path=/; Secure; SameSite=Strict\r\n"
/t?v=other -> header like "\r\nSet-Cookie: route=\w{32}; Path=/; Secure; SameSite=Strict\r\n"
--- no_error_log eval
qr/\[(?:crit|alert|emerg)\]/



=== partitioned
--- upstream
    session_sticky secure partitioned;
--- response_headers
Set-Cookie: route=ID_A; Path=/; Secure; Partitioned



=== partitioned without secure: [warn]
--- upstream
    session_sticky partitioned;
--- warn
"session_sticky" with "partitioned" needs "secure"
--- response_headers
Set-Cookie: route=ID_A; Path=/; Partitioned



=== partitioned with secure=auto: [warn]
--- upstream
    session_sticky partitioned secure=auto;
--- warn
"session_sticky" with "partitioned" needs "secure"
secure=auto
--- response_headers
Set-Cookie: route=ID_A; Path=/; Partitioned



=== partitioned in mode=prefix: one [warn]
--- upstream
    session_sticky mode=prefix partitioned;
--- warn
partitioned applies only to mode=insert
--- response_headers
!Set-Cookie



=== attr= can be specified several times; the attributes keep their order
--- upstream
    session_sticky attr=Priority=High attr=Custom;
--- response_headers
Set-Cookie: route=ID_A; Path=/; Priority=High; Custom



=== __Secure- name with secure
--- upstream
    session_sticky cookie=__Secure-route secure domain=x.example path=/app;
--- response_headers
Set-Cookie: __Secure-route=ID_A; Domain=x.example; Path=/app; Secure



=== __Secure- name without secure
--- upstream
    session_sticky cookie=__Secure-route;
--- emerg
"session_sticky"
__Secure-route
secure



=== __Host- name with secure and path=/
--- upstream
    session_sticky cookie=__Host-route secure;
--- response_headers
Set-Cookie: __Host-route=ID_A; Path=/; Secure



=== __Host- name without secure
--- upstream
    session_sticky cookie=__Host-route;
--- emerg
"session_sticky"
__Host-route
secure



=== __Host- name with another path
--- upstream
    session_sticky cookie=__Host-route secure path=/app;
--- emerg
"session_sticky"
__Host-route
path



=== __Host- name with a variable in path=
--- upstream
    session_sticky cookie=__Host-route secure path=$uri;
--- emerg
"session_sticky"
__Host-route
path



=== __Host- name with a domain
--- upstream
    session_sticky cookie=__Host-route secure domain=x.example;
--- emerg
"session_sticky"
__Host-route
domain



=== __Host- name with a variable in domain=
--- upstream
    session_sticky cookie=__Host-route secure domain=$host;
--- emerg
"session_sticky"
__Host-route
domain



=== an unknown parameter
--- upstream
    session_sticky cooky=route;
--- emerg
"session_sticky"
cooky=route
cookie



=== an unknown word
--- upstream
    session_sticky on;
--- emerg
"session_sticky"
"on"
cookie



=== mode= with text after a valid value
--- upstream
    session_sticky mode=insertXYZ;
--- emerg
"session_sticky"
mode
insertXYZ
insert
rewrite
prefix



=== mode= without a value
--- upstream
    session_sticky mode=;
--- emerg
"session_sticky"
mode
insert
rewrite
prefix



=== option= with another value
--- upstream
    session_sticky option=indirectly;
--- emerg
"session_sticky"
option
indirectly
direct
indirect



=== fallback= with another value
--- upstream
    session_sticky fallback=offline;
--- emerg
"session_sticky"
fallback
offline
on
unknown
off



=== rebind= with another value
--- upstream
    session_sticky rebind=never;
--- emerg
"session_sticky"
rebind
never
on
off



=== hash= with another value
--- upstream
    session_sticky hash=md55;
--- emerg
"session_sticky"
hash
md55
md5
plain
hmac



=== samesite= with another value
--- upstream
    session_sticky samesite=loose;
--- emerg
"session_sticky"
samesite
loose
strict
lax
none



=== secure= with another value
--- upstream
    session_sticky secure=maybe;
--- emerg
"session_sticky"
secure
maybe
auto



=== httponly takes no value
--- upstream
    session_sticky httponly=maybe;
--- emerg
"session_sticky"
httponly



=== cookie= without a name
--- upstream
    session_sticky cookie=;
--- emerg
"session_sticky"
cookie



=== cookie= with an invalid cookie name
--- upstream
    session_sticky "cookie=my route";
--- emerg
"session_sticky"
cookie
my route



=== cookie= with a semicolon
--- upstream
    session_sticky "cookie=a;b";
--- emerg
"session_sticky"
cookie
a;b



=== domain= without a name
--- upstream
    session_sticky domain=;
--- emerg
"session_sticky"
domain



=== domain= with an invalid host name
--- upstream
    session_sticky "domain=x.example; Secure";
--- emerg
"session_sticky"
domain
x.example; Secure



=== path= without a path
--- upstream
    session_sticky path=;
--- emerg
"session_sticky"
path



=== maxage= with an invalid time
--- upstream
    session_sticky maxage=soon;
--- emerg
"session_sticky"
maxage
soon



=== maxidle= with a negative time
--- upstream
    session_sticky maxidle=-1;
--- emerg
"session_sticky"
maxidle
-1



=== maxlife= with an unknown unit
--- upstream
    session_sticky maxlife=5q;
--- emerg
"session_sticky"
maxlife
5q



=== maxidle= that is too large
--- upstream
    session_sticky maxidle=99999999999999999999;
--- emerg
"session_sticky"
maxidle
99999999999999999999



=== attr= without text
--- upstream
    session_sticky attr=;
--- emerg
"session_sticky"
attr



=== the directive belongs in an upstream
--- upstream
    session_sticky;
--- config
location /t { session_sticky; proxy_pass http://u; }
--- emerg
"session_sticky" directive is not allowed here
