# lookup=$cookie_NAME: the module looks for the cookie itself, by its very name, before nginx's variable is evaluated, and
# create=$upstream_cookie_NAME is only evaluated where a server sets cookies. Variables of the operator's own are as they say.

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

# A request with these Cookie fields, as often as there are servers.
sub served_by { my @fields = @_; return join ' ', map { body(visit('/', join "\r\nCookie: ", @fields)) } 1 .. 3 }

run_tests();

__DATA__

=== the cookie of this very name, else of this name in any case
--- sticky: mode=route lookup=$cookie_Sid
--- client
for (['Sid=b'], ['SID=a; Sid=b'], ['sid=a; x=y; Sid=b; SID=c'], ['x=y', 'SID=c', 'Sid=b'], ['xSid=a; Sid=b'], ['a=Sid=a; Sid=b'],
    ['Sid=b; Sid=c'], ['sid=b'], ['x=y; SID=b'], ['x=y', 'sid=b']) {
    equals(served_by(@$_), 'B B B', join ' | ', @$_);
}
equals(join('', sort split / /, served_by($_)), 'ABC', "balanced: $_") for 'Sid=', 'Sid=; x=y', 'xSid=b', 'x=Sid=b', 'Sid';



=== the next variable, where the cookie is empty or missing
--- sticky: mode=route lookup=$cookie_sid lookup=$cookie_other
--- client
equals(served_by($_), 'C C C', $_) for 'other=c', 'sid=; other=c', 'OTHER=c; sid', 'sid=c; other=b';



=== what "map" defines
--- http_config
map $http_x $cookie_sid { default c; }
--- sticky: mode=route lookup=$cookie_sid
--- client
equals(served_by('sid=b'), 'C C C', 'is not the cookie');



=== what "set" defines, in another location as well
--- config
location /set { set $cookie_sid c; proxy_pass http://u; }
--- sticky: mode=route lookup=$cookie_sid
--- client
equals(body(visit('/set', 'sid=b')), 'C', 'is not the cookie');
equals(served_by('sid=b'), 'B B B', 'elsewhere it is');



=== a session that the second Set-Cookie begins, in another case
--- sticky: mode=learn create=$upstream_cookie_sid lookup=$cookie_Sid zone=s:64k
--- client
my $server = body(visit('/login?id=one'));
equals(served_by('Sid=one'), join(' ', ($server) x 3), 'is learned');



=== an operator's own variable by the name of one that shows what a server sets
--- http_config
map $arg_id $upstream_cookie_sid { default $arg_id; }
--- sticky: mode=learn create=$upstream_cookie_sid lookup=$cookie_sid zone=s:64k
--- client
my $server = body(visit('/?id=two'));
equals(served_by('sid=two'), join(' ', ($server) x 3), 'begins a session where no server sets a cookie');
