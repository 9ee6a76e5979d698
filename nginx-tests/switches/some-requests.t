# Persistence switched off by maps for some requests: robots and health checks, which never send a cookie back and would
# start a session with each request; clients without consent to cookies; a share of the clients.

use Sticky;

our $upstream = "upstream u { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky SWITCH; }\n";

client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    fill($block, servers('', qw(A B)) . $upstream =~ s/SWITCH/$block->sticky/er);
    $block->set_value(config => 'location / { proxy_pass http://u; } ' . ($block->config // ''));
});

run_tests();

__DATA__

=== robots
--- sticky: if=$is_human
--- http_config
map $http_user_agent $is_human {
    ~*(bot|crawler|spider) 0;
    ""                     0;
    default                1;
}
--- visits
User-Agent: Mozilla/5.0 (compatible; Somebot/2.1; +http://bot.example/) -> A, sets nothing
-> B, sets nothing
User-Agent: Mozilla/5.0 (X11; Linux x86_64) Firefox/142.0 -> A, sets "route=ID_A; Path=/"
User-Agent: Some Spider | Cookie: route=ID_A -> B, sees "route=ID_A", sets nothing



=== health checks, by path and by address
--- sticky: if=$is_client
--- http_config
map $uri $is_asked { /healthz 0; default 1; }
geo $is_outside { 127.0.0.1 0; default 1; }
map $is_asked$is_outside $is_client { ~0 0; default 1; }
set_real_ip_from 127.0.0.1;
real_ip_header X-Real-IP;
--- visits
/healthz X-Real-IP: 192.0.2.1 -> A, sets nothing
X-Real-IP: 192.0.2.1 -> B, sets "route=ID_B; Path=/"
-> A, sets nothing
/healthz -> B, sets nothing



=== consent: no cookie before it is given, and the module's cookie is not followed after it is withdrawn
--- sticky: if=$consents httponly
--- http_config
map $cookie_consent $consents { ~^(all|functional)$ 1; default 0; }
--- visits
-> A, sets nothing
consent=none -> B, sets nothing
consent=functional -> A, sets "route=ID_A; Path=/; HttpOnly"
consent=functional; route=ID_A -> A, sees "consent=functional; route=ID_A", sets nothing
consent=functional; route=ID_A -> A, sets nothing
consent=none; route=ID_A -> B, sets nothing



=== withdrawn consent: the module's cookie can be deleted
--- sticky: if=$consents
--- http_config
map $cookie_consent $consents { yes 1; default 0; }
map "$consents:$cookie_route" $withdrawn { ~^0:. "route=; Path=/; Max-Age=0"; default ""; }
--- config
add_header Set-Cookie $withdrawn always;
--- visits
consent=yes -> A, sets "route=ID_A; Path=/"
consent=yes; route=ID_A -> A, sets nothing
consent=no; route=ID_A -> B, sets "route=; Path=/; Max-Age=0"
consent=no -> A, sets nothing



=== consent given in the same request: its variable is available
--- sticky: if=$http_x_consent
--- visits
POST /t X-Consent: yes | body "x" -> A, sets "route=ID_A; Path=/"
POST /t body "x" -> B, sets nothing



=== some locations only
--- sticky: if=$sticky
--- http_config
map $uri $sticky { ~^/app/ 1; default 0; }
--- visits
/static/x.css route=ID_B -> A, sets nothing
/app/ route=ID_B -> B, sets nothing
/app/ route=ID_B -> B, sets nothing
/static/x.css route=ID_B -> B, sets nothing
/app/ -> A, sets "route=ID_A; Path=/"



=== a variable that a location sets
--- sticky: if=$sticky
--- config
set $sticky 1;
location /static/ { set $sticky ""; proxy_pass http://u; }
--- visits
/static/x.css route=ID_B -> A, sets nothing
-> B, sets "route=ID_B; Path=/"
route=ID_B -> B, sets nothing



=== a share of the clients, by split_clients
--- sticky: if=$chosen
--- http_config
split_clients $arg_client $chosen { 50% 1; * ""; }
--- client
my %said = map { my $client = $_; $client => join ' ', map { set(visit("/t?client=$client")) ? 'on' : 'off' } 1, 2 } 1 .. 40;
my %kinds;
$kinds{$_}++ for values %said;
equals(join(', ', sort keys %kinds), 'off off, on on', 'the result is the same for each request of a client');



=== methods
--- sticky: if=$changes
--- http_config
map $request_method $changes { GET 0; HEAD 0; OPTIONS 0; default 1; }
--- visits
-> A, sets nothing
POST /t body "x" -> B, sets "route=ID_B; Path=/"
PUT /t route=ID_B | body "x" -> B, sets nothing
route=ID_B -> A, sets nothing
