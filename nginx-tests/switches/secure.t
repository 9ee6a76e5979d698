# secure=$variable: Secure if it is neither empty nor "0", for TLS terminated in front of nginx.

use Sticky qw(Certificates);

our $certificate = certificate();
our $servers = servers(<<'_EOC_', qw(A B));
location / { add_header X-Wants $arg_wants; return 200 "NAME\n"; }
location /sets { add_header Set-Cookie "route=own; Path=/app"; return 200 "NAME\n"; }
_EOC_

add_block_preprocessor(sub {
    my ($block) = @_;
    my $sticky = $block->sticky;
    my $map = "map \$http_x_forwarded_proto \$outside { https 1; default 0; }\n";
    fill($block, $map . $servers . "upstream u { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky $sticky; }\n");
    $block->set_value(http_config => $block->http_config
        =~ s/CERTIFICATE/ssl_certificate $certificate.pem; ssl_certificate_key $certificate.key;/gr);
    $block->set_value(config => 'location / { proxy_pass http://u; }') if !defined $block->config;
});

run_tests();

__DATA__

=== a map of X-Forwarded-Proto
--- sticky: secure=$outside
--- visits
X-Forwarded-Proto: https -> A, sets "route=ID_A; Path=/; Secure"
X-Forwarded-Proto: http -> B, sets "route=ID_B; Path=/"
-> A, sets "route=ID_A; Path=/"
route=ID_B | X-Forwarded-Proto: https -> B, sets nothing



=== empty and "0" omit it, any other value sets it
--- sticky: secure=$arg_s
--- visits
-> sets "route=ID_A; Path=/"
/t?s= -> sets "route=ID_B; Path=/"
/t?s=0 -> sets "route=ID_A; Path=/"
/t?s=1 -> sets "route=ID_B; Path=/; Secure"
/t?s=00 -> sets "route=ID_A; Path=/; Secure"
/t?s=off -> sets "route=ID_B; Path=/; Secure"



=== a value with several variables
--- sticky: secure=$https$arg_s
--- visits
-> sets "route=ID_A; Path=/"
/t?s=on -> sets "route=ID_B; Path=/; Secure"
/t?s=0 -> sets "route=ID_A; Path=/"



=== $https: the same as secure=auto
--- sticky: secure=$https
--- http_config
server { listen 127.0.0.1:1990 ssl; CERTIFICATE location / { proxy_pass http://u; } }
--- config
location /plain { proxy_pass http://u; }
location /tls { proxy_pass https://127.0.0.1:1990; proxy_ssl_session_reuse off; }
--- visits
/plain -> sets "route=ID_A; Path=/"
/tls -> sets "route=ID_B; Path=/; Secure"



=== a variable of the server's response
--- sticky: secure=$upstream_http_x_wants
--- visits
/t?wants=tls -> sets "route=ID_A; Path=/; Secure"
-> sets "route=ID_B; Path=/"



=== a variable set by the location
--- sticky: secure=$is_public
--- config
set $is_public "";
location /inside { proxy_pass http://u; }
location / { set $is_public 1; proxy_pass http://u; }
--- visits
/inside -> sets "route=ID_A; Path=/"
/outside -> sets "route=ID_B; Path=/; Secure"



=== a name with __Host-: browsers reject it without Secure
--- sticky: cookie=__Host-route secure=$outside
--- may_warn
a cookie "__Host-route" needs "secure", browsers reject it where the variable of "secure=" leaves it out
--- visits
X-Forwarded-Proto: https -> sets "__Host-route=ID_A; Path=/; Secure"
X-Forwarded-Proto: http -> sets "__Host-route=ID_B; Path=/"
X-Forwarded-Proto: https | Cookie: __Host-route=ID_B -> B, sets nothing



=== a name with __Secure-, with a path and a domain
--- sticky: cookie=__Secure-route secure=$outside path=/app domain=.example.com
--- may_warn
a cookie "__Secure-route" needs "secure", browsers reject it where the variable of "secure=" leaves it out
--- visits
X-Forwarded-Proto: https -> sets "__Secure-route=ID_A; Domain=.example.com; Path=/app; Secure"



=== with all other attributes, in order
--- sticky: secure=$outside httponly samesite=none partitioned maxage=60 domain=www.example.com attr=Priority=High
--- may_warn
where the variable of "secure=" leaves it out
--- visits
X-Forwarded-Proto: https -> sets like "route=ID_A; Domain=www\.example\.com; Path=/; Max-Age=60; Expires=DATE+60; Secure; HttpOnly; SameSite=None; Partitioned; Priority=High"
X-Forwarded-Proto: http -> sets like "route=ID_B; Domain=www\.example\.com; Path=/; Max-Age=60; Expires=DATE+60; HttpOnly; SameSite=None; Partitioned; Priority=High"



=== with others that are variables
--- sticky: secure=$outside samesite=$arg_same path=$arg_path domain=$arg_domain
--- visits
/t?same=lax&path=/p&domain=d.test X-Forwarded-Proto: https -> sets "route=ID_A; Domain=d.test; Path=/p; Secure; SameSite=Lax"
/t?same=none X-Forwarded-Proto: https -> sets "route=ID_B; Secure; SameSite=None"
/t?path=/p -> sets "route=ID_A; Path=/p"
X-Forwarded-Proto: https -> sets "route=ID_B; Secure"



=== renewed timestamps
--- sticky: secure=$outside maxidle=1h
--- visits
route=ID_B|NOW-60|NOW-90 | X-Forwarded-Proto: https -> B, sets like "route=ID_B\|STAMP\|NOW-90; Path=/; Secure"
route=ID_B|NOW-60|NOW-90 -> B, sets like "route=ID_B\|STAMP\|NOW-90; Path=/"



=== replacing a server's own cookie
--- sticky: secure=$outside option=indirect nocache
--- visits
/sets X-Forwarded-Proto: https -> sets "route=ID_A; Path=/; Secure", Cache-Control "private"
/sets -> sets "route=ID_B; Path=/", Cache-Control "private"



=== of two, the last counts
--- sticky: secure=$outside secure
--- may_warn
"secure"
--- visits
X-Forwarded-Proto: http -> sets "route=ID_A; Path=/; Secure"
