# lookup=$cookie_NAME: the module first looks for a cookie with exactly this name, and evaluates nginx's variable only
# if there is none. create=$upstream_cookie_NAME is evaluated only if a server sets cookies. Variables that the
# configuration defines under these names have their configured values.

use Sticky;

our $servers = servers(<<'_EOC_', qw(A B C));
location / { return 200 "NAME"; }
location /login { add_header Set-Cookie "other=x"; add_header Set-Cookie "Sid=$arg_id; Path=/"; return 200 "NAME"; }
_EOC_

client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    my $sticky = $block->sticky;
    fill($block, <<"_EOC_");
$servers
upstream u {
    server 127.0.0.1:1985 id=a;
    server 127.0.0.1:1986 id=b;
    server 127.0.0.1:1987 id=c;
    session_sticky $sticky;
}
_EOC_
    $block->set_value(config => ($block->config // '') . 'location / { proxy_pass http://u; }');
});

# The servers of three requests with these Cookie fields.
sub served_by { my @fields = @_; return join ' ', map { body(visit('/', join "\r\nCookie: ", @fields)) } 1 .. 3 }

run_tests();

__DATA__

=== a cookie of exactly this name takes precedence over one that differs in case
--- sticky: mode=route lookup=$cookie_Sid
--- client
for (['Sid=b'], ['SID=a; Sid=b'], ['sid=a; x=y; Sid=b; SID=c'], ['x=y', 'SID=c', 'Sid=b'], ['xSid=a; Sid=b'], ['a=Sid=a; Sid=b'],
    ['Sid=b; Sid=c'], ['sid=b'], ['x=y; SID=b'], ['x=y', 'sid=b']) {
    equals(served_by(@$_), 'B B B', join ' | ', @$_);
}
equals(join('', sort split / /, served_by($_)), 'ABC', "balanced: $_") for 'Sid=', 'Sid=; x=y', 'xSid=b', 'x=Sid=b', 'Sid';



=== an empty or missing cookie: the next variable is used
--- sticky: mode=route lookup=$cookie_sid lookup=$cookie_other
--- client
equals(served_by($_), 'C C C', $_) for 'other=c', 'sid=; other=c', 'OTHER=c; sid', 'sid=c; other=b';



=== a variable defined by "map"
--- http_config
map $http_x $cookie_sid { default c; }
--- sticky: mode=route lookup=$cookie_sid
--- client
equals(served_by('sid=b'), 'C C C', 'takes precedence over the cookie');



=== a variable defined by "set", and the same name in another location
--- config
location /set { set $cookie_sid c; proxy_pass http://u; }
--- sticky: mode=route lookup=$cookie_sid
--- client
equals(body(visit('/set', 'sid=b')), 'C', 'takes precedence over the cookie');
equals(served_by('sid=b'), 'B B B', 'other locations use the cookie');



=== a session created by the second Set-Cookie field, with a name that differs in case
--- sticky: mode=learn create=$upstream_cookie_sid lookup=$cookie_Sid zone=s:64k
--- client
my $server = body(visit('/login?id=one'));
equals(served_by('Sid=one'), join(' ', ($server) x 3), 'the session is learned');



=== a configured variable with the name of a $upstream_cookie_ variable
--- http_config
map $arg_id $upstream_cookie_sid { default $arg_id; }
--- sticky: mode=learn create=$upstream_cookie_sid lookup=$cookie_sid zone=s:64k
--- client
my $server = body(visit('/?id=two'));
equals(served_by('sid=two'), join(' ', ($server) x 3), 'it creates a session even if no server sets a cookie');
